"""What can happen to a machine's ports, and to the machine: each as a method of `VM`."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .board import Properties
from .qmp import Monitor, QMPError
from .spec import CONTROLLER, Machine, Port

UNPLUGGED = 60.0
"""Seconds that a guest gets to let a device go."""
BALLOON = "balloon"
"""Id of the balloon, for QMP."""
MEGABYTE = 2**20
SQUEEZED = 60.0
"""Seconds that a guest gets to give memory back, or to take it."""
MIGRATED = 120.0
"""Seconds for a live migration, which a guest that writes to memory can draw out."""


class Faults:
    """Base of `VM`: what needs nothing of it but the monitor and the description."""

    spec: Machine

    @property
    def qmp(self) -> Monitor:
        """The monitor."""
        raise NotImplementedError

    @property
    def pid(self) -> int:
        """The process of QEMU."""
        raise NotImplementedError

    def socket(self, port: Port | None = None) -> Path:
        """The host's end of a port, the first one by default."""
        raise NotImplementedError

    def unplug_port(self, port: Port | None = None) -> None:
        """Pull a port out of its device. Who is connected to its socket stays so."""
        self.unplug((port or self.spec.ports[0]).id)

    def plug_port(self, port: Port | None = None) -> None:
        """Put a port that was unplugged back."""
        port = port or self.spec.ports[0]
        properties = {"bus": f"{CONTROLLER}.0", "chardev": chardev(port), "name": port.name}
        self._plug("virtserialport", port.id, properties)

    def unplug_controller(self) -> None:
        """Pull out the device that the ports are part of; returns when the guest has let it go."""
        self.unplug(CONTROLLER)

    def plug_controller(self) -> None:
        """Put it back, with all its ports."""
        board = self.spec.board
        self._plug(board.controller, CONTROLLER, board.ports)
        for port in self.spec.ports:
            self.plug_port(port)

    def take_chardev(self, port: Port | None = None) -> None:
        """Put nothing in the place of a port's socket: who is connected is hung up on.

        The guest sees a host that takes everything and never says anything.
        """
        self._change_chardev(port, {"type": "null", "data": {}})

    def give_chardev(self, port: Port | None = None) -> None:
        """Put the socket back."""
        address = {"type": "unix", "data": {"path": str(self.socket(port))}}
        data = {"addr": address, "server": True, "wait": False}
        self._change_chardev(port, {"type": "socket", "data": data})

    @contextmanager
    def squeezed(self, megabytes: int) -> Iterator[None]:
        """In this block the guest has so much memory less: a balloon in it has taken that.

        Needs the driver `virtio_balloon` in the guest, which must have so much to give. The balloon
        is plugged in for the block, and gone after it; the machine can't be moved in between. Only
        the board `pc` takes one.
        """
        self._plug("virtio-balloon-pci", BALLOON, {})
        whole = self.qmp.execute("query-balloon")["actual"]
        try:
            self._balloon(whole - megabytes * MEGABYTE)
            yield
            self._balloon(whole)
        finally:
            self.unplug(BALLOON)  # which gives back what it has

    def freeze(self) -> None:
        """Have QEMU itself hang: its sockets stay open, but nothing goes in or out of them.

        Nor is its monitor answered.
        """
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Have it go on."""
        os.kill(self.pid, signal.SIGCONT)

    def inject_nmi(self) -> None:
        """Interrupt the guest in a way that it can't mask."""
        self.qmp.execute("inject-nmi")

    def wait_until_reset(self, timeout: float, after: int) -> None:
        """Wait until the guest has reset its machine by itself."""
        self.qmp.wait_event("RESET", lambda data: bool(data["guest"]), timeout=timeout, after=after)

    def unplug(self, device: str) -> None:
        """Pull out a device; returns when it is gone, which the guest may have to allow."""
        mark = self.qmp.mark()
        self.qmp.execute("device_del", {"id": device})
        self.qmp.wait_event(
            "DEVICE_DELETED",
            lambda data: data.get("device") == device,
            timeout=UNPLUGGED,
            after=mark,
        )

    def _balloon(self, size: int) -> None:
        """Have the guest keep so many bytes; returns when it does."""
        mark = self.qmp.mark()
        self.qmp.execute("balloon", {"value": size})
        try:
            self.qmp.wait_event(
                "BALLOON_CHANGE",
                lambda data: int(data["actual"]) == size,
                timeout=SQUEEZED,
                after=mark,
            )
        except QMPError:
            kept = self.qmp.execute("query-balloon")["actual"] // MEGABYTE
            raise QMPError(
                f"the guest should keep {size // MEGABYTE} MB; after {SQUEEZED:g} s it has {kept}"
                " MB; is there the driver in it (modprobe virtio_balloon), and so much to give?"
            ) from None

    def _plug(self, driver: str, device: str, properties: Properties) -> None:
        self.qmp.execute("device_add", {"driver": driver, "id": device, **properties})

    def _change_chardev(self, port: Port | None, backend: dict[str, object]) -> None:
        label = chardev(port or self.spec.ports[0])
        self.qmp.execute("chardev-change", {"id": label, "backend": backend})


def chardev(port: Port) -> str:
    """The id of the host's end of a port."""
    return f"{port.id}c"


def send_machine(source: Monitor, destination: Monitor, way: Path) -> float:
    """Move a machine that runs from one QEMU to the other; when it ran on (`time.monotonic()`).

    The destination was started to take it (`Start.INCOMING`).
    """
    for monitor in (source, destination):
        events = [{"capability": "events", "state": True}]
        monitor.execute("migrate-set-capabilities", {"capabilities": events})
    left, came = source.mark(), destination.mark()
    destination.execute("migrate-incoming", {"uri": f"unix:{way}"})
    source.execute("migrate", {"uri": f"unix:{way}"})
    source.wait_event(
        "MIGRATION",
        lambda data: data["status"] in {"completed", "failed"},
        timeout=MIGRATED,
        after=left,
    )
    return destination.wait_event("RESUME", timeout=MIGRATED, after=came).at
