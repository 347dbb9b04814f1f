"""A virtual machine as a context manager: QEMU as our child, its monitor, console and screen."""

from __future__ import annotations

import re
import shlex
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path
from typing import Self

from .qmp import QMP, Data, Event
from .spec import DISK, NIC, Machine, Port, Wiring
from .transcript import Pump, Transcript


class LaunchError(Exception):
    """QEMU did not start: command line, exit status and what it printed are in the message."""


class VM:
    """A running machine, from `with VM(spec) as vm:` to the end of the block.

    Its sockets and logs lie in `folder`, which is removed at the end. Start it from a thread that
    outlives it: the kernel kills QEMU when the thread that started it ends (setpriv --pdeathsig).
    """

    def __init__(self, spec: Machine) -> None:
        self.spec = spec
        # Not under the project: the path of a unix socket has 107 bytes at most.
        self.folder = Path(tempfile.mkdtemp(prefix="vsocks-vm-"))
        self.console = Transcript("the console", failing=spec.broken)
        self.qmp: QMP
        self._process: subprocess.Popen[bytes] | None = None
        self._pump: Pump | None = None

    def __enter__(self) -> Self:
        try:
            self._launch()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if hasattr(self, "qmp"):
            self.qmp.close()
        if self._process:
            # Its disk is a throw-away copy, so there is nothing to shut down in order.
            self._process.kill()
            self._process.wait()
        if self._pump:
            self._pump.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def pid(self) -> int:
        """QEMU's process."""
        assert self._process, "the machine was not started"
        return self._process.pid

    @property
    def log(self) -> Path:
        """What QEMU itself printed."""
        return self.folder / "qemu.log"

    def socket(self, port: Port | None = None) -> Path:
        """The host's end of a virtio-serial port, the first one by default."""
        return self._wiring.socket(port or self.spec.ports[0])

    def ssh_port(self) -> int:
        """The port on our 127.0.0.1 that leads to the guest's sshd."""
        table = self.qmp.execute("human-monitor-command", {"command-line": "info usernet"})
        found = re.search(r"TCP\[HOST_FORWARD\]\s+\d+\s+127\.0\.0\.1\s+(\d+)", table)
        if not found:
            raise LaunchError(f"no forwarded port in:\n{table}")
        return int(found[1])

    def wait_until_booted(self, timeout: float = 120, *, after: int = 0) -> None:
        """Wait until SSH is answered; raise WaitError at once when the guest gives up."""
        self.console.wait(self.spec.ready, timeout=timeout, after=after)

    def wait_until_off(self, timeout: float) -> None:
        """Wait until the guest has switched itself off, and QEMU has written all and gone."""
        assert self._process, "the machine was not started"
        try:
            self._process.wait(timeout)
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

    def insert_disc(self, iso: Path) -> None:
        """Have the guest see an ISO, as one more disk that can only be read."""
        file = {"driver": "file", "filename": str(iso)}
        disc = {"driver": "raw", "node-name": "disc", "read-only": True, "file": file}
        self.qmp.execute("blockdev-add", disc)
        self.qmp.execute("device_add", {"driver": "virtio-blk-pci", "drive": "disc", "id": "disc"})

    def unplug_network(self, timeout: float = 60) -> None:
        """Take the only network card out, and wait until the guest has let it go."""
        mark = self.qmp.mark()
        self.qmp.execute("device_del", {"id": NIC})
        self.qmp.wait_event(
            "DEVICE_DELETED", lambda data: data.get("device") == NIC, timeout=timeout, after=mark
        )

    def port_is_open(self, port: Port | None = None) -> bool:
        """Whether a program in the guest has the port open at this moment."""
        label = f"{(port or self.spec.ports[0]).id}c"
        [entry] = [it for it in self.qmp.execute("query-chardev") if it["label"] == label]
        return bool(entry["frontend-open"])

    def wait_port(self, *, opened: bool, timeout: float, after: int, port: str = "") -> Event:
        """Wait for the guest to open or close a port. QEMU tells it once a second at most."""
        wanted = port or self.spec.ports[0].id

        def matches(data: Data) -> bool:
            return bool(data["id"] == wanted and data["open"] is opened)

        return self.qmp.wait_event("VSERPORT_CHANGE", matches, timeout=timeout, after=after)

    def _snapshot_job(self, command: str, tag: str) -> None:
        self.qmp.run_job(command, {"tag": tag, "vmstate": DISK, "devices": [DISK]})

    def _launch(self) -> None:
        qmp_ours, qmp_theirs = socket.socketpair()
        console_ours, console_theirs = socket.socketpair()
        self._wiring = Wiring(self.folder, qmp_theirs.fileno(), console_theirs.fileno())
        command = self.spec.argv(self._wiring)
        with qmp_theirs, console_theirs, self.log.open("wb") as log:
            self._process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "--", *command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=(self._wiring.qmp_fd, self._wiring.console_fd),
            )
        self._pump = Pump(console_ours.detach(), self.console, self.folder / "console.log")
        try:
            self.qmp = QMP(qmp_ours, self.folder / "qmp.log")
        except Exception as error:
            raise LaunchError(self._explain(command, error)) from error

    def _explain(self, command: list[str], error: Exception) -> str:
        assert self._process
        try:
            status = f"ended with status {self._process.wait(5)}"
        except subprocess.TimeoutExpired:
            status = "runs, but does not answer"
        printed = "\n".join(self.log.read_text(errors="replace").splitlines()[-20:])
        return f"QEMU {status} ({error!r})\ncommand: {shlex.join(command)}\nprinted:\n{printed}"
