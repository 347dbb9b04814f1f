"""A virtual machine as a context manager, and what can be done with it from outside."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import ClassVar, Self

from .faults import Faults, chardev, send_machine
from .qemu import LaunchError, Qemu
from .qmp import Data, Event, Monitor, QMPError
from .spec import DISK, NIC, Machine, Port, Start, socket_in
from .transcript import Transcript, WaitError


class NoAnswerError(WaitError):
    """The machine runs, but nobody in it answers.

    The message has its console's last lines, and says where a picture of its screen is.
    """


class VM(Faults):
    """A running machine, from `with VM(spec) as vm:` to the end of the block.

    Its sockets and logs lie in `folder`, which is removed at the end. Start it from a thread that
    outlives it: the kernel kills QEMU when the thread that started it ends (setpriv --pdeathsig).
    """

    borrowed: ClassVar[bool] = False
    """Whether somebody else has started it, and goes on with it after us."""

    def __init__(self, spec: Machine) -> None:
        self.spec = spec
        # Not under the project: the path of a unix socket has 107 bytes at most.
        self.folder = Path(tempfile.mkdtemp(prefix="vsocks-vm-"))
        self.console = Transcript("the console", failing=spec.broken)
        self._qemu: Qemu | None = None
        self._moves = count(1)
        self._kept = False

    def __enter__(self) -> Self:
        try:
            self._qemu = Qemu(self.spec, self.folder, self.folder, self.console)
        except BaseException:
            self.__exit__()
            raise
        return self

    def keep(self) -> None:
        """Let the machine go on when the block ends, with all that is in its folder.

        It ends with us nevertheless, unless `Qemu.outlives_us` was set when it began.
        """
        self._kept = True

    def __exit__(self, *_: object) -> None:
        if self._kept:
            return
        if self._qemu:
            self._qemu.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def qemu(self) -> Qemu:
        """The QEMU in which the machine runs at present."""
        assert self._qemu, "the machine was not started"
        return self._qemu

    @property
    def qmp(self) -> Monitor:
        """Its monitor."""
        return self.qemu.qmp

    @property
    def pid(self) -> int:
        """Its process."""
        return self.qemu.pid

    @property
    def log(self) -> Path:
        """What QEMU itself printed."""
        return self.folder / "qemu.log"

    def socket(self, port: Port | None = None) -> Path:
        """The host's end of a virtio-serial port, the first one by default."""
        return socket_in(self.folder, port or self.spec.ports[0])

    def cut_power(self) -> None:
        """End QEMU at once. Its sockets stay behind, and nobody listens on them."""
        self.qemu.kill()

    def boot_again(self) -> None:
        """After that, boot from the disk as it was left, with the sockets where they were."""
        self.console.go_on()
        self._qemu = Qemu(self.spec, self.folder, self.folder, self.console, Start.COLD)

    def migrate(self) -> float:
        """Move the running machine into another QEMU; when it ran on there (`time.monotonic()`).

        Its sockets are then where they were, but those of the other QEMU: whoever was connected is
        hung up on. The guest's network card, if it has one, is reached by another port.
        """
        folder = self.folder / f"move-{next(self._moves)}"
        folder.mkdir()
        source = self.qemu
        destination = Qemu(self.spec, folder, self.folder, self.console, Start.INCOMING)
        try:
            ran_on = send_machine(source.qmp, destination.qmp, folder / "way.sock")
        except BaseException:
            destination.kill()
            raise
        self._qemu = destination
        for path in folder.glob("*.sock"):
            link = folder / path.stem
            link.symlink_to(path)
            link.replace(self.folder / path.name)
        source.kill()
        self.console.go_on()
        return ran_on

    def ssh_port(self) -> int:
        """The port on our 127.0.0.1 that leads to the guest's sshd."""
        table = self.qmp.execute("human-monitor-command", {"command-line": "info usernet"})
        found = re.search(r"TCP\[HOST_FORWARD\]\s+\d+\s+127\.0\.0\.1\s+(\d+)", table)
        if not found:
            raise LaunchError(f"no forwarded port in:\n{table}")
        return int(found[1])

    def wait_until_booted(self, timeout: float = 120, *, after: int = 0) -> None:
        """Wait until SSH is answered; raise NoAnswerError at once when the guest gives up."""
        with self.awaiting_an_answer():
            self.console.wait(self.spec.ready, timeout=timeout, after=after)

    @contextmanager
    def awaiting_an_answer(self) -> Iterator[None]:
        """What fails to come in this block is told with what the machine shows: NoAnswerError."""
        try:
            yield
        except (WaitError, ConnectionError) as error:
            # Beside our folder, which doesn't stay.
            screen = self.folder.with_suffix(".png")
            try:
                self.screenshot(screen)
            except QMPError as gone:
                seen = f"no picture of its screen could be made: {gone}"
            else:
                seen = f"its screen at that moment: {screen}"
            raise NoAnswerError(f"{error}\n{self._last_lines(error)}{seen}") from error

    def wait_until_off(self, timeout: float) -> None:
        """Wait until the guest has switched itself off, and QEMU has written all and gone."""
        try:
            self.qemu.wait(timeout)
        except subprocess.TimeoutExpired:
            raise TimeoutError(f"the guest is still on after {timeout:g} s") from None

    def screenshot(self, path: Path) -> None:
        """Write what the screen shows as a PNG."""
        self.qmp.execute("screendump", {"filename": str(path), "format": "png"})

    def pause(self) -> None:
        """Stop the guest's processors."""
        self.qmp.execute("stop")

    def resume(self) -> float:
        """Let them go on; the time (`time.monotonic()`) at which they did."""
        mark = self.qmp.mark()
        self.qmp.execute("cont")
        return self.qmp.wait_event("RESUME", timeout=10, after=mark).at

    def reset(self) -> None:
        """The reset button: the guest boots anew, no matter what it was doing."""
        self.qmp.execute("system_reset")

    def save_snapshot(self, tag: str) -> None:
        """Keep memory, devices and disk under `tag`, in the disk's file."""
        self._snapshot_job("snapshot-save", tag)

    def load_snapshot(self, tag: str) -> float:
        """Go back to `tag`; the time (`time.monotonic()`) at which the guest ran on from there.

        What is connected to the ports stays connected.
        """
        mark = self.qmp.mark()
        self._snapshot_job("snapshot-load", tag)
        return self.qmp.wait_event("RESUME", timeout=10, after=mark).at

    def delete_snapshot(self, tag: str) -> None:
        """Forget what is kept under `tag`."""
        self.qmp.run_job("snapshot-delete", {"tag": tag, "devices": [DISK]})

    def insert_disc(self, iso: Path) -> None:
        """Have the guest see an ISO, as one more disk that can only be read."""
        file = {"driver": "file", "filename": str(iso)}
        disc = {"driver": "raw", "node-name": "disc", "read-only": True, "file": file}
        self.qmp.execute("blockdev-add", disc)
        self.qmp.execute("device_add", {"driver": "virtio-blk-pci", "drive": "disc", "id": "disc"})

    def unplug_network(self) -> None:
        """Take the only network card out, and wait until the guest has let it go."""
        self.unplug(NIC)

    def port_is_open(self, port: Port | None = None) -> bool:
        """Whether a program in the guest has the port open at this moment."""
        label = chardev(port or self.spec.ports[0])
        [entry] = [it for it in self.qmp.execute("query-chardev") if it["label"] == label]
        return bool(entry["frontend-open"])

    def wait_port(self, *, opened: bool, timeout: float, after: int, port: str = "") -> Event:
        """Wait for the guest to open or close a port. QEMU tells it once a second at most."""
        wanted = port or self.spec.ports[0].id

        def matches(data: Data) -> bool:
            return bool(data["id"] == wanted and data["open"] is opened)

        return self.qmp.wait_event("VSERPORT_CHANGE", matches, timeout=timeout, after=after)

    def _last_lines(self, error: Exception) -> str:
        """Of the console, unless the error has them."""
        if isinstance(error, WaitError):
            return ""
        last = [f"    {line}\n" for line in self.console.text().splitlines()[-15:]]
        return f"the console's last lines:\n{''.join(last)}"

    def _snapshot_job(self, command: str, tag: str) -> None:
        self.qmp.run_job(command, {"tag": tag, "vmstate": DISK, "devices": [DISK]})
