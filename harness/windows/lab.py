"""Machines with the Windows guest, each from a state in which Windows has booted already."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..accel import Choice, qemu_version
from ..cache import cache_folder, made
from ..lab import Lab, Running
from ..progress import step
from ..spec import Accel, Wiring
from ..vm import VM
from .build import choose_accel
from .guest import PYTHON, WindowsGuest
from .image import IMAGES, WindowsImage, find_image
from .install import PATIENCE
from .parts import Parts
from .record import check_expiry

SNAPSHOT = "warm"
BOOT_SECONDS = 600
WARM_UP = (
    f'{PYTHON} -c "import asyncio, ssl, argparse, logging, json"',
    "netstat -a -n",
)
"""What runs in the guest before its state is kept, so that it has these programs in memory."""


def windows_lab() -> WindowsLab | None:
    """The lab with the image that there is: `VSOCKS_WINDOWS_IMAGE`, else the newest in the cache.

    Raises ImageError when the variable names something unusable.
    """
    image = find_image()
    return WindowsLab(image) if image else None


class WindowsLab(Lab):
    """A true Windows, with `vsocks-guest.exe`."""

    kind = WindowsGuest.kind

    def __init__(self, image: WindowsImage) -> None:
        self.image = image

    def prepare(self) -> str:
        """Boot it once; says which Windows it is, and for how long."""
        choice = choose_accel()
        warm_state(self.image, choice)
        return f"Windows under {choice}; {check_expiry(self.image.record)}"

    @contextmanager
    def running(self) -> Iterator[Running]:
        """From the warm state."""
        check_expiry(self.image.record)
        with (
            warm_vm(self.image, choose_accel()) as vm,
            WindowsGuest(self.image.access(vm.ssh_port())) as guest,
        ):
            guest.deploy()
            yield Running(vm, guest)


@contextmanager
def cold_vm(image: WindowsImage, choice: Choice) -> Iterator[VM]:
    """A machine that boots the image; what it changes is forgotten afterwards."""
    accel = Accel(choice.accel)
    with (
        tempfile.TemporaryDirectory(prefix="vsocks-windows-") as name,
        VM(image.spec(accel, image.parts.layer(Path(name) / "parts"))) as vm,
    ):
        vm.wait_until_booted(BOOT_SECONDS * PATIENCE[accel])
        yield vm


@contextmanager
def warm_vm(image: WindowsImage, choice: Choice) -> Iterator[VM]:
    """A machine that runs from the kept state on; what it changes is forgotten afterwards."""
    kept = warm_state(image, choice)
    with (
        tempfile.TemporaryDirectory(prefix="vsocks-windows-") as name,
        VM(image.spec(Accel(choice.accel), kept.copy(Path(name)))) as vm,
    ):
        # Not by -loadvm, which wants a snapshot of the firmware's variables, too.
        vm.load_snapshot(SNAPSHOT)
        yield vm


def warm_state(image: WindowsImage, choice: Choice) -> Parts:
    """The parts of the booted guest; made at the first call."""

    def make(folder: Path) -> None:
        accel = Accel(choice.accel)
        parts = image.parts.layer(folder / "new")
        title = "booting Windows once, to start from there (once; then it is kept)"
        with step(title), VM(image.spec(accel, parts)) as vm:
            vm.wait_until_booted(BOOT_SECONDS * PATIENCE[accel])
            with WindowsGuest(image.access(vm.ssh_port())) as guest:
                for command in WARM_UP:
                    guest.succeed(command, timeout=120)
            vm.save_snapshot(SNAPSHOT)
        parts.move(folder)

    # A snapshot fits only the machine that made it: QEMU's version and arguments.
    arguments = image.spec(Accel(choice.accel), Parts(Path("/"))).argv(Wiring(Path("/"), 0, 0))
    key = hashlib.sha256(repr((qemu_version(), arguments, WARM_UP)).encode()).hexdigest()[:16]
    return Parts(made(cache_folder() / IMAGES / f"{image.folder.name}-warm-{key}", make))
