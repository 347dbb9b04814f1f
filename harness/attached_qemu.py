"""A QEMU that runs, by its QMP socket."""

from __future__ import annotations

import time
from contextlib import ExitStack
from pathlib import Path

from vsocks.channel.libvirt import OURS
from vsocks.channel.spec import DEFAULT_PORT_NAME
from vsocks.errors import UnavailableError
from vsocks.host.qemu import Attachment, add, remove
from vsocks.host.qemu_devices import SerialPort, serial_ports

from .agent import Agent
from .agent_port import AgentPort
from .attached_vm import AttachedVM, AttachError, found
from .faults import UNPLUGGED
from .guest import POLL
from .qmp import QMP, Event
from .spec import AGENT, Port

ANSWER = 60.0
"""Deadline, in seconds, for a few commands."""
HUNG_UP = 3.0
"""Seconds in which QEMU notices that a connection, ours of before for one, has ended."""
ADDED = "vsocks-harness"
"""How QEMU calls what is added for a while."""
NO_PORT = (
    "the machine has no port {name} with a unix socket on which QEMU listens. It can be given one "
    "at its start: -device virtio-serial-pci -chardev socket,id=c,path=PATH,server=on,wait=off "
    "-device virtserialport,chardev=c,name={name}"
)


class AttachedQemu(AttachedVM):
    """A machine by its QMP socket, which serves us alone for that time."""

    def __init__(self, qmp: Path, *, plug: bool) -> None:
        super().__init__()
        self._path = qmp
        self._plug_in = plug

    def _take(self, undo: ExitStack) -> None:
        self._qmp = QMP(self._path, self.folder / "qmp.log")
        undo.callback(self._qmp.close)
        status = self._qmp.execute("query-status")["status"]
        if status not in {"running", "paused"}:
            raise AttachError(
                f"the machine is in the state {status!r}: have it run, or paused, before"
            )
        undo.callback(self.pause if status == "paused" else self.make_run)
        self.make_run()
        if self._plug_in and not any(port.name.startswith(OURS) for port in self._ports()):
            self._add_port(undo)
        self.spec = found(Port(port.name, port.id) for port in self._ports())

    @property
    def qmp(self) -> QMP:
        """Its monitor."""
        return self._qmp

    def agent(self, patience: float) -> Agent:
        """By its port."""
        deadline = time.monotonic() + HUNG_UP
        while (port := self._port(AGENT.name)).is_taken:
            if time.monotonic() > deadline:
                raise AttachError(
                    f"somebody is connected to the guest agent's port, {port.socket}, and QEMU "
                    "serves one at a time: end that program, or give the way in by SSH"
                )
            time.sleep(POLL)
        try:
            return AgentPort(Path(port.socket), patience)
        except OSError as error:
            raise AttachError(
                f"{error}: is qemu-guest-agent running in the guest, and may we open that socket?"
            ) from None

    def make_run(self) -> None:
        """Let its processors go on, if they don't."""
        if self._qmp.execute("query-status")["status"] == "paused":
            self.resume()

    def socket(self, port: Port | None = None) -> Path:
        """The host's end of a port, that of vsocks by default."""
        return Path(self._port(port.name if port else self.first).socket)

    def port_is_open(self, port: Port | None = None) -> bool:
        """Whether a program in the guest has the port open at this moment."""
        return self._port(port.name if port else self.first).is_open

    def wait_port(self, *, opened: bool, timeout: float, after: int, port: str = "") -> Event:
        """Wait for the guest to open or close a port, by the id of its device."""
        port = port or self._port(self.first).id
        if not port:
            raise AttachError("QEMU tells nothing of a port without an id: -device …,id=NAME")
        return super().wait_port(opened=opened, timeout=timeout, after=after, port=port)

    def _ports(self) -> list[SerialPort]:
        return self._qmp.call(serial_ports, ANSWER)

    def _port(self, name: str) -> SerialPort:
        for port in self._ports():
            if port.name == name and port.socket:
                return port
        raise AttachError(NO_PORT.format(name=name))

    def _add_port(self, undo: ExitStack) -> None:
        added = Attachment(ADDED, str(self.folder / "vsocks.sock"), DEFAULT_PORT_NAME)
        try:
            self._qmp.call(lambda client: add(client, added), ANSWER)
        except UnavailableError as error:
            raise AttachError(
                f"the machine has no port {OURS}*, and none could be added: {error}"
            ) from None
        patience = UNPLUGGED
        undo.callback(
            lambda: self._qmp.call(
                lambda client: remove(client, added, patience), 2 * patience + ANSWER
            )
        )
