"""Machines that run now, as seen by any other process of the same user.

A machine tells of itself in its folder: `machine.json`, its console's log, and a monitor of its own
for whoever comes (`monitor.sock`).
"""

from __future__ import annotations

import json
import os
import socket
import tempfile
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from .guest import Guest
from .places import COMMAND
from .qmp import QMP
from .spec import Wiring
from .ssh_guest import SSHGuest
from .vm import VM

FOLDERS = "vsocks-vm-*"
"""What the folders of machines are called, in the system's folder for temporary files."""
ABOUT = "machine.json"
MONITOR = Wiring(Path(), 0, 0).monitor.name
CONSOLE = "console.log"


class NoMachineError(Exception):
    """There is no such machine; the message says which there are."""


@dataclass(frozen=True, slots=True)
class RunningMachine:
    """What a machine tells of itself."""

    folder: Path
    pid: int
    """QEMU's process; 0 if it isn't ours."""
    kind: str
    """For people: what runs in it."""
    ssh_port: int = 0
    account: str = ""
    key: str = ""
    host_key: str = ""
    host: str = "127.0.0.1"

    def tell(self) -> None:
        """Let others find the machine; what is told ends with the machine's folder."""
        about = {key: value for key, value in asdict(self).items() if key != "folder"}
        (self.folder / ABOUT).write_text(json.dumps(about))

    @property
    def console(self) -> str:
        """What its serial console has said so far."""
        return (self.folder / CONSOLE).read_text(errors="replace")

    def monitor(self) -> QMP:
        """A monitor of our own; close it. Raises OSError if the machine has gone."""
        sock = socket.socket(socket.AF_UNIX)
        try:
            sock.connect(str(self.folder / MONITOR))
            return QMP(sock, self.folder / "monitor.log")
        except BaseException:
            sock.close()
            raise

    def screenshot(self, path: Path) -> None:
        """Write what the screen shows as a PNG."""
        monitor = self.monitor()
        try:
            monitor.execute("screendump", {"filename": str(path.resolve()), "format": "png"})
        finally:
            monitor.close()


def machine_of(vm: VM, guest: Guest, kind: str) -> RunningMachine:
    """What is to be told of a machine of ours; without SSH, if its guest has none."""
    machine = RunningMachine(vm.folder, 0 if vm.borrowed else vm.pid, kind)
    if not isinstance(guest, SSHGuest):
        return machine
    access = guest.access
    return replace(
        machine,
        ssh_port=access.port,
        account=access.account,
        key=str(access.key),
        host_key=access.host_key,
        host=access.host,
    )


def running_machines() -> list[RunningMachine]:
    """All machines whose QEMU lives, the youngest last."""
    found = Path(tempfile.gettempdir()).glob(f"{FOLDERS}/{ABOUT}")
    told = sorted((path for path in found if path.is_file()), key=lambda path: path.stat().st_mtime)
    machines = [_read(path) for path in told if path.stat().st_uid == os.geteuid()]
    return [machine for machine in machines if Path(f"/proc/{machine.pid}").exists()]


def find_machine(pid: int | None) -> RunningMachine:
    """The machine of that QEMU, or the only one there is. Raises NoMachineError."""
    machines = running_machines()
    wanted = [machine for machine in machines if pid in {None, machine.pid}]
    if len(wanted) == 1:
        return wanted[0]
    there = ", ".join(f"{machine.pid} ({machine.kind})" for machine in machines)
    if not machines:
        raise NoMachineError(f"no machine is running; `{COMMAND} shell` starts one")
    if pid is None:
        raise NoMachineError(f"several machines are running, name one: {there}")
    raise NoMachineError(f"no machine has the process {pid}; there are {there}")


def _read(path: Path) -> RunningMachine:
    return RunningMachine(path.parent, **json.loads(path.read_text()))
