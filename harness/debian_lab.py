"""Machines with the Debian guest."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from .accel import Choice, choose
from .debian import DebianGuest
from .image import Image, debian_image
from .lab import Lab, Running
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
        with warm_vm(image, choice) as vm, self.guest(vm, image) as guest:
            guest.deploy()
            yield Running(vm, guest)
