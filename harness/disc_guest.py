"""The Debian guest with vsocks installed from the guest's disc, as its users get it."""

from __future__ import annotations

from typing import Self

from .agent_guest import AgentGuest
from .agent_lab import AgentLab
from .guest_disc.iso import NAME, write_guest_iso
from .vm import VM

DISC = "/dev/vdb"
MOUNT = f"mount -o ro {DISC} /mnt"
INSTALL = "sh /mnt/install.sh"


class DiscGuest(AgentGuest):
    """`vsocks guest` is the daemon in it. Its machine has no network card."""

    kind = "Linux, from the disc"

    vm: VM
    """Whose disc it gets."""

    @classmethod
    def of(cls, vm: VM) -> Self:
        """That of a machine of ours, into which the disc can be put."""
        guest = super().of(vm)
        guest.vm = vm
        return guest

    def insert_disc(self) -> None:
        """Make the disc, put it into the machine, and wait until the guest sees it."""
        iso = self.vm.folder / NAME
        write_guest_iso(iso, windows=False)
        self.vm.insert_disc(iso)
        self.wait_until_succeeds(f"test -b {DISC}")

    def deploy(self) -> None:
        """Install from the disc."""
        self.insert_disc()
        self.succeed(f"{MOUNT} && {INSTALL}", timeout=120)

    def daemon_command(self, *arguments: str) -> str:
        """The installed program."""
        return self.command_line("vsocks", "guest", "--channel", self.channel, *arguments)


class DiscLab(AgentLab):
    """Machines with that guest."""

    kind = DiscGuest.kind
    by_agent = DiscGuest
