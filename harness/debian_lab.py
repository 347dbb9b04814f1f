"""Machines with the Debian guest."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from .accel import Choice, choose
from .debian import DebianGuest
from .image import Image, debian_image
from .lab import Lab, Running
from .stopwatch import timed
from .warm import warm_state, warm_vm


class DebianLab(Lab):
    """The daemon from source, by the guest's own Python."""

    kind = DebianGuest.kind
    guest = DebianGuest

    def prepare(self) -> str:
        """Build the image and boot it once."""
        image, choice = self.machine()
        warm_state(image, choice)
        return f"Debian under {choice}"

    def machine(self) -> tuple[Image, Choice]:
        """What a machine is made of."""
        image = debian_image()
        return image, choose(image)

    @contextmanager
    def running(self) -> Iterator[Running]:
        """From the warm state."""
        image, choice = self.machine()
        with ExitStack() as stack:
            with timed("QEMU"):
                vm = stack.enter_context(warm_vm(image, choice))
            with timed("SSH"):
                guest = stack.enter_context(self.guest(vm, image))
            with timed("vsocks into the guest"):
                guest.deploy()
            yield Running(vm, guest)
