"""The Debian guest with vsocks installed from the guest's disc, as its users get it."""

from __future__ import annotations

from .debian import DebianGuest
from .debian_lab import DebianLab
from .guest_disc.iso import NAME, write_guest_iso
from .image import Image
from .vm import VM

DISC = "/dev/vdb"
MOUNT = f"mount -o ro {DISC} /mnt"
INSTALL = "sh /mnt/install.sh"


class DiscGuest(DebianGuest):
    """`vsocks guest` is the daemon in it."""

    kind = "Linux, from the disc"

    def __init__(self, vm: VM, image: Image) -> None:
        super().__init__(vm, image)
        self._vm = vm

    def insert_disc(self) -> None:
        """Make the disc, put it into the machine, and wait until the guest sees it."""
        iso = self._vm.folder / NAME
        write_guest_iso(iso, windows=False)
        self._vm.insert_disc(iso)
        self.wait_until_succeeds(f"test -b {DISC}")

    def deploy(self) -> None:
        """Install from the disc."""
        self.insert_disc()
        self.succeed(f"{MOUNT} && {INSTALL}", timeout=120)

    def daemon_command(self, *arguments: str) -> str:
        """The installed program."""
        return self.command_line("vsocks", "guest", "--channel", self.channel, *arguments)


class DiscLab(DebianLab):
    """Machines with that guest."""

    kind = DiscGuest.kind
    guest = DiscGuest
