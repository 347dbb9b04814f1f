"""The Windows program under Wine in the Debian guest."""

from __future__ import annotations

from .debian import DebianGuest
from .debian_lab import DebianLab
from .exe import guest_folder
from .guest import GuestProcess, files_of

EXE_HOME = "/opt/vsocks-guest"
PROGRAM = f"{EXE_HOME}/vsocks-guest.exe"


class WineGuest(DebianGuest):
    """All is Debian, but for the daemon: vsocks-guest.exe, on the same port."""

    kind = "exe under Wine"
    # A write that pends when the host goes is tried by Wine 8 without end, in the thread that began
    # it: nothing else happens in the daemon until a host comes.
    notices_absence = False
    channel = r"path:Z:\dev\virtio-ports\org.vsocks.0"

    def deploy(self) -> None:
        """Upload the one-folder form, whose process is one: to kill it is to kill the daemon."""
        self.upload(files_of(guest_folder()), EXE_HOME)

    def daemon_command(self, *arguments: str) -> str:
        """The program, as Wine starts it."""
        return self.command_line("wine", PROGRAM, "--channel", self.channel, *arguments)

    def start_daemon(self, *arguments: str, name: str = "guest") -> GuestProcess:
        """Start the program; its output goes through a pipe, for Python in Wine 8 needs one."""
        return self.start(name, self.daemon_command(*arguments), through_pipe=True)


class WineLab(DebianLab):
    """The Debian machines, with the Windows program in them."""

    kind = WineGuest.kind
    guest = WineGuest

    def prepare(self) -> str:
        """Build the program, too."""
        machines = super().prepare()
        guest_folder()
        return f"vsocks-guest.exe under Wine in {machines}"
