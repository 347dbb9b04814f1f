"""A Linux guest into which cloud-init has brought vsocks, and the way in."""

from __future__ import annotations

from ..debian import Debian, DebianGuest
from ..ssh import Access
from ..ssh_guest import SSHGuest
from ..vm import VM
from .machine import Files

UNIT = "vsocks-guest"


class CloudGuest(DebianGuest):
    """A connection by SSH. `vsocks guest` is the daemon; the unit for it is there, and off."""

    kind = "Linux, by cloud-init"

    def __init__(self, vm: VM, files: Files) -> None:
        Debian.__init__(self)
        _, host_key, _ = files.key_of_host.with_suffix(".pub").read_text().split()
        SSHGuest.__init__(self, Access(vm.ssh_port(), "root", files.key, host_key))

    def deploy(self) -> None:
        """Look whether cloud-init has done it."""
        self.succeed("vsocks --version")

    def daemon_command(self, *arguments: str) -> str:
        """The installed program."""
        return self.command_line("vsocks", "guest", "--channel", self.channel, *arguments)
