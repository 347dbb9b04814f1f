"""The Windows guest, by its own OpenSSH server over the management NIC."""

from __future__ import annotations

import re
import time

from ..guest import POLL, CommandError, GuestProcess, Result, files_of
from ..ssh import Access
from ..ssh_guest import FollowedProcess, SSHGuest, archive
from .quoting import command_line, sftp_path

HOME = r"C:\vsocks"
PROGRAM = rf"{HOME}\vsocks-guest.exe"
LOGS = rf"{HOME}\logs"
SERVICE_LOGS = r"C:\ProgramData\vsocks"
PYTHON = rf"{HOME}\python\python.exe"
SERVICE = "vsocks-guest"


class WindowsProcess(FollowedProcess):
    """A process that our launcher has started."""

    guest: WindowsGuest

    def follow_command(self) -> str:
        """By a program of ours in the guest."""
        return self.guest.helper("follow", self.path, str(self.pid))

    def kill(self, signal: str = "KILL") -> None:
        """KILL, STOP or CONT. Windows has no TERM that reaches a program without a console."""
        if signal == "KILL":
            self.guest.run(command_line("taskkill", "/F", "/PID", str(self.pid)))
        elif signal in {"STOP", "CONT"}:
            change = "stop" if signal == "STOP" else "continue"
            self.guest.run(self.guest.helper("running", str(self.pid), change))
        else:
            raise ValueError(f"Windows has no signal {signal}; a service stops by its manager")

    def is_running(self) -> bool:
        """Whether its number is still taken."""
        return self.guest.run(self.guest.helper("running", str(self.pid))).status == 0

    def full_log(self) -> str:
        """The log file in the guest."""
        # No process has the number 0, so that it is printed as it is and nothing is waited for.
        return self.guest.succeed(self.guest.helper("follow", self.path, "0"))


class WindowsGuest(SSHGuest):
    """A connection to a Windows guest; `vsocks-guest.exe` is the daemon in it."""

    kind = "Windows"
    channel = "virtio"
    scratch = rf"{HOME}\scratch"
    port = r"\\.\Global\org.vsocks.0"

    def __init__(self, access: Access, *, sftp_root: str = "") -> None:
        super().__init__(access)
        self._sftp_root = sftp_root

    def start(self, name: str, command: str) -> GuestProcess:
        """Start one program (no pipes, no `&`), whose number is the process's."""
        path = rf"{LOGS}\{name}-{time.time_ns()}-{next(self._numbers)}.log"
        pid = self.succeed(f"{self.helper('launch', path)} {command}")
        return WindowsProcess(self, name, int(pid), path)

    def upload(self, files: dict[str, bytes], folder: str) -> None:
        """Send the files as one tar archive; they are still there after a reset."""
        path = rf"{HOME}\upload-{next(self._numbers)}.tar"
        self._ssh.put(archive(files), self._sftp_root + sftp_path(path))
        self.succeed(self.helper("unpack", path, folder), timeout=300)

    def download(self, path: str) -> bytes:
        """By SFTP."""
        return self._ssh.get(self._sftp_root + sftp_path(path))

    def deploy(self) -> None:
        """Upload the unpacked program, and make the folder for tests."""
        from ..exe.build import guest_folder

        self.upload(files_of(guest_folder()), HOME)
        self.upload({"readme.txt": b"Files of tests.\r\n"}, self.scratch)

    def daemon_command(self, *arguments: str) -> str:
        """The program, as a foreground process."""
        return command_line(PROGRAM, "--channel", self.channel, *arguments)

    def module_command(self, folder: str, module: str, *arguments: str) -> str:
        """`python -m MODULE` with the guest's own Python, which finds modules in the folder."""
        runner = rf"{HOME}\inside\run_module.py"
        return command_line(PYTHON, "-u", runner, folder, module, *arguments)

    def command_line(self, *arguments: str) -> str:
        """Quoted for cmd.exe."""
        return command_line(*arguments)

    def helper(self, name: str, *arguments: str) -> str:
        """The command line of a program in `harness/windows/inside`."""
        return f"cd /d {HOME} && " + command_line(PYTHON, "-u", "-m", f"inside.{name}", *arguments)

    def sha256(self, path: str) -> str:
        """By certutil, which prints a title, the checksum, and a verdict."""
        printed = self.succeed(command_line("certutil", "-hashfile", path, "SHA256"), timeout=120)
        return checksum_in(printed)

    def has_way_out(self) -> bool:
        """Whether there is a default route."""
        return has_default_route(self.succeed("route print -4"))

    def daemon_logs(self) -> str:
        """All log files, and what Windows noted of errors."""
        show = self.helper("logs", LOGS, SERVICE_LOGS)
        errors = (
            f'wevtutil qe {log} "/q:*[System[(Level=1 or Level=2)]]" /c:20 /rd:true /f:text'
            for log in ("System", "Application")
        )
        parts = [self.run(command, timeout=120) for command in (show, *errors)]
        return "\n".join(f"$ {part.command}\n{part.stdout}{part.stderr}" for part in parts)

    def wait_for_open_port(self, port: int, *, timeout: float = 60) -> None:
        """Look for a listener in netstat's table, which disturbs it by no connection."""
        deadline = time.monotonic() + timeout
        while not listens(table := self.succeed("netstat -a -n"), port):
            if time.monotonic() > deadline:
                raise CommandError(f"nothing listens on port {port}:\n{table}")
            time.sleep(POLL)

    def service(self, action: str, *arguments: str) -> Result:
        """install, start, stop, status or uninstall the daemon as a service."""
        return self.run(command_line(PROGRAM, "service", action, *arguments), timeout=120)

    def system_proxy(self, action: str, *arguments: str) -> Result:
        """on, off, status or show: the settings by which Windows' programs find the proxy."""
        return self.run(command_line(PROGRAM, "system-proxy", action, *arguments))

    def service_state(self) -> str:
        """RUNNING, STOPPED, START_PENDING…, or an empty string when there is no such service."""
        return service_state_in(self.run(f"sc query {SERVICE}").stdout)


def checksum_in(printed: str) -> str:
    """The SHA-256 in what `certutil -hashfile` prints."""
    found = re.search(r"^[0-9a-f]{64}$", printed.replace("\r", ""), re.MULTILINE | re.IGNORECASE)
    if not found:
        raise CommandError(f"no checksum in:\n{printed}")
    return found[0].lower()


def has_default_route(printed: str) -> bool:
    """Whether `route print -4` shows one."""
    return re.search(r"^\s*0\.0\.0\.0\s+0\.0\.0\.0\s", printed, re.MULTILINE) is not None


def listens(printed: str, port: int) -> bool:
    """Whether `netstat -an` shows a listener on a port."""
    pattern = rf"^\s*TCP\s+\S+:{port}\s+\S+\s+LISTEN"
    return re.search(pattern, printed, re.MULTILINE) is not None


def service_state_in(printed: str) -> str:
    """The state in what `sc query` prints."""
    found = re.search(r"^\s*STATE\s*:\s*\d+\s+(\w+)", printed, re.MULTILINE)
    return found[1] if found else ""
