"""A guest that has booted already: its memory and disk, kept beside the image.

Booting takes seconds and Wine's first start more; going back to this state takes less than one.
"""

from __future__ import annotations

import hashlib
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from .accel import Choice, qemu_version
from .agent_guest import AgentGuest
from .cache import made
from .debian import Debian, DebianGuest
from .debian_machine import KERNEL_UP, READY, USER_SPACE_UP, VMSpec
from .image import Image
from .progress import step
from .spec import Accel, Wiring
from .vm import VM

SNAPSHOT = "warm"

WARM_UP = (
    # Each program once, so that the snapshot has it in the page cache.
    "python3 -c 'import asyncio, ssl, argparse, logging, json'",
    "curl --version; socat -V",
    # A program of Wine that never ends keeps Wine's services, which are slow to start, alive.
    "setsid sh -c 'sleep infinity | wine cmd' > /dev/null 2>&1 < /dev/null &",
    # Not with our pipe as output: services that it starts would hold the pipe open for ever.
    "wine cmd /c ver > /dev/null 2>&1 < /dev/null",
    "sync",
)
"""What runs in the guest before its state is kept."""

MILESTONES = (KERNEL_UP, USER_SPACE_UP, READY)
"""What the console of a guest that boots says on its way."""


def cold_spec(image: Image, choice: Choice, disk: Path, *, card: bool = True) -> VMSpec:
    """The machine that boots the image with `disk` (see `new_disk`)."""
    return VMSpec(image.kernel, image.initrd, Accel(choice.accel), disk, card=card)


def new_disk(image: Image, disk: Path) -> Path:
    """Make `disk`, an empty layer over the image's own disk."""
    command = ["qemu-img", "create", "-q", "-f", "qcow2", "-b", str(image.disk), "-F", "raw"]
    subprocess.run([*command, str(disk)], check=True)
    return disk


@contextmanager
def warm_vm(image: Image, choice: Choice, *, card: bool = True) -> Iterator[VM]:
    """A machine that runs from the kept state on; what it changes is forgotten afterwards."""
    kept = warm_state(image, choice, card=card)
    with tempfile.TemporaryDirectory(prefix="vsocks-disk-") as folder:
        disk = Path(folder) / "disk.qcow2"
        # A copy: -loadvm needs a disk that can be written to. Sparse, or shared where possible.
        subprocess.run(["cp", "--reflink=auto", "--sparse=always", kept, disk], check=True)
        spec = cold_spec(image, choice, disk, card=card)
        with VM(replace(spec, snapshot=SNAPSHOT)) as vm:
            yield vm


def way_in(vm: VM, image: Image, *, card: bool) -> Debian:
    """A connection to the guest: by SSH, or without a network card by the guest agent."""
    with vm.awaiting_an_answer():
        return DebianGuest(vm, image) if card else AgentGuest.of(vm)


def warm_state(image: Image, choice: Choice, *, card: bool = True) -> Path:
    """The disk with the snapshot in it; made at the first call, in half a minute under TCG."""

    def make(folder: Path) -> None:
        disk = new_disk(image, folder / "disk.qcow2")
        title = "booting the guest once, to start from there (once; then it is kept)"
        machine = VM(cold_spec(image, choice, disk, card=card))
        over: list[str] = []

        def fraction() -> float:
            booted = [each for each in MILESTONES if machine.console.find(each)]
            return len(booted + over) / len(MILESTONES + WARM_UP)

        with step(title, fraction=fraction), machine as vm:
            vm.wait_until_booted()
            with way_in(vm, image, card=card) as guest:
                for command in WARM_UP:
                    guest.succeed(command, timeout=120)
                    over.append(command)
            vm.save_snapshot(SNAPSHOT)

    # A snapshot fits only the machine that made it: QEMU's version and arguments.
    nowhere = Wiring(Path("/"), 0, 0)
    machine = cold_spec(image, choice, Path("/disk"), card=card).argv(nowhere)
    key = hashlib.sha256(repr((qemu_version(), machine, WARM_UP)).encode()).hexdigest()[:16]
    return made(image.folder.parent / f"{image.folder.name}-warm-{key}", make) / "disk.qcow2"
