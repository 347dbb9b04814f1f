"""Machines from an image of somebody's: booted once, then from that state."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..accel import Choice, choose_by_boot, qemu_version
from ..cache import cache_folder, made
from ..lab import Lab, Running
from ..programs import need, qemu
from ..progress import step
from ..pyz import guest_pyz
from ..spec import Accel, Wiring
from ..stopwatch import timed
from ..vm import VM, NoAnswerError
from .firmware import Firmware, need_ovmf
from .guest import UNIT, CloudGuest
from .image import CloudImage, cloud_image, copy_of, lay_out
from .machine import BIOS_SAYS, BiosAlone, CloudSpec, Files
from .seed import meta_data, user_data

SNAPSHOT = "warm"
BOOT_SECONDS = {Accel.KVM: 300, Accel.TCG: 1800}
"""Deadline until cloud-init has ended. Emulated on a busy machine, a boot took eleven minutes."""
WARM_UP = (
    # A test starts the daemon as it needs it, and says with which options.
    f"systemctl disable --now {UNIT}",
    # Once, so that the snapshot has it in the page cache.
    "vsocks --version; python3 -c 'import asyncio, ssl, argparse, logging, json'",
    "sync",
)
"""What runs in the guest before its state is kept."""


class CloudLab(Lab):
    """Machines from one image."""

    kind = CloudGuest.kind

    def __init__(
        self,
        image: Path,
        firmware: Firmware = Firmware.BIOS,
        *,
        boot_seconds: float | None = None,
    ) -> None:
        self._path = image
        self._firmware = firmware
        self._boot_seconds = boot_seconds
        self.kind = f"{CloudGuest.kind}, {firmware.value}"

    def prepare(self) -> str:
        """Boot the image once.

        Raises ImageError or MissingProgramError if that can't be tried, else NoAnswerError.
        """
        need(qemu(), "qemu-img", "setpriv", "xorriso", "ssh-keygen")
        if self._firmware is Firmware.UEFI:
            need_ovmf()
        image, choice = cloud_image(self._path), choose_accel()
        self._warm_state(image, choice)
        return f"{image.path.name} by {self._firmware.value} under {choice}"

    @contextmanager
    def running(self) -> Iterator[Running]:
        """From the warm state."""
        choice = choose_accel()
        kept = self._warm_state(cloud_image(self._path), choice)
        with tempfile.TemporaryDirectory(prefix="vsocks-disk-") as folder:
            files = copy_of(kept, Path(folder))
            with VM(self._spec(files, choice)) as vm:
                with timed("QEMU"):
                    # Not by -loadvm, which wants a snapshot of the firmware's variables, too.
                    vm.load_snapshot(SNAPSHOT)
                with timed("way in"):
                    # By the key that stays: a machine may be kept for longer than this block.
                    guest = self._way_in(vm, kept)
                with guest:
                    guest.deploy()
                    yield Running(vm, guest)

    def _spec(self, files: Files, choice: Choice) -> CloudSpec:
        return CloudSpec(files, self._firmware, Accel(choice.accel))

    def _way_in(self, vm: VM, files: Files) -> CloudGuest:
        with vm.awaiting_an_answer():
            return CloudGuest(vm, files)

    def _warm_state(self, image: CloudImage, choice: Choice) -> Files:
        """A machine's files, with the booted guest in them; made at the first call."""

        def make(folder: Path) -> None:
            files = lay_out(image, self._firmware, folder)
            title = f"booting {image.path.name} once, to start from there (once; then it is kept)"
            with step(title), VM(self._spec(files, choice)) as vm:
                self._await_boot(vm, choice)
                with self._way_in(vm, files) as guest:
                    for command in WARM_UP:
                        guest.succeed(command, timeout=180)
                vm.save_snapshot(SNAPSHOT)

        return Files(made(cache_folder() / "images" / f"cloud-{self._key(image, choice)}", make))

    def _key(self, image: CloudImage, choice: Choice) -> str:
        """A snapshot fits the machine that made it: QEMU's version and arguments; and the disks."""
        machine = self._spec(Files(Path("/")), choice).argv(Wiring(Path("/"), 0, 0))
        seed = (user_data("", "", ""), meta_data(), hashlib.sha256(guest_pyz()).hexdigest())
        made_of = (image.identity, qemu_version(), machine, seed, WARM_UP)
        return hashlib.sha256(repr(made_of).encode()).hexdigest()[:16]

    def _await_boot(self, vm: VM, choice: Choice) -> None:
        seconds = self._boot_seconds or BOOT_SECONDS[Accel(choice.accel)]
        try:
            vm.wait_until_booted(seconds)
        except NoAnswerError as error:
            other = next(each for each in Firmware if each is not self._firmware)
            raise NoAnswerError(
                f"{error}\n{self._path} must boot by {self._firmware.value} (some boot by "
                f"{other.value} alone), and have cloud-init, systemd and Python 3.11 in it"
            ) from error


def choose_accel() -> Choice:
    """KVM if QEMU's BIOS has just come up under it, else TCG."""
    return choose_by_boot(BiosAlone(Accel.KVM), BIOS_SAYS)
