"""A Debian guest that boots systemd, with vsocks installed from its Debian packages."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .accel import Choice
from .apt import run_suite_recipe
from .cache import cache_folder, hash_of_tree, made
from .deb.build import build_debs
from .debian import DebianGuest
from .debian_lab import DebianLab
from .image import Image
from .lab import Running
from .places import RECIPES
from .vm import VM
from .warm import cold_spec, new_disk

RECIPE = RECIPES / "systemd"
SUITE = "bookworm"
BOOT_SECONDS = 180
"""Until sshd answers, under emulation on a busy machine."""


class SystemdGuest(DebianGuest):
    """Its daemon is the unit `vsocks-guest`."""

    kind = "Linux, under systemd"

    def deploy(self) -> None:
        """Install the packages; that of the guest starts its unit."""
        with tempfile.TemporaryDirectory(prefix="vsocks-debs-") as folder:
            packages = {path.name: path.read_bytes() for path in build_debs(Path(folder))}
        self.upload(packages, "/var/tmp/packages")
        self.succeed("dpkg --install /var/tmp/packages/*.deb", timeout=180)

    def daemon_logs(self) -> str:
        """Beside the files, the journal of both units."""
        files = self.run(f"tail -n 2000 {self.logs}/*.log").stdout
        return files + self.run("journalctl --no-pager -u 'vsocks-*' -n 2000").stdout


class SystemdLab(DebianLab):
    """Machines with that guest, which are booted each time."""

    kind = SystemdGuest.kind
    guest = SystemdGuest

    def prepare(self) -> str:
        """Build the image."""
        image, choice = self.machine()
        return f"Debian with systemd under {choice}, {image.folder.name}"

    def machine(self) -> tuple[Image, Choice]:
        """Its kernel and initrd are those of the Debian guest."""
        debian, choice = super().machine()
        return systemd_image(debian), choice

    @contextmanager
    def running(self) -> Iterator[Running]:
        """Booted, which takes half a minute under emulation, and with the packages installed."""
        image, choice = self.machine()
        with tempfile.TemporaryDirectory(prefix="vsocks-disk-") as folder:
            disk = new_disk(image, Path(folder) / "disk.qcow2")
            with VM(cold_spec(image, choice, disk)) as vm:
                vm.wait_until_booted(BOOT_SECONDS)
                with self.guest(vm, image) as guest:
                    guest.deploy()
                    yield Running(vm, guest)


def systemd_image(debian: Image) -> Image:
    """The image of the recipe as it is now, with the kernel and the initrd of ``debian``."""
    name = f"systemd-{hash_of_tree(RECIPE)}-{debian.folder.name.rpartition('-')[2]}"

    def build(folder: Path) -> None:
        run_suite_recipe(RECIPE, folder, "the Debian guest with systemd", SUITE)
        for file in debian.kernel, debian.initrd:
            shutil.copy(file, folder)

    return Image(made(cache_folder() / "images" / name, build))
