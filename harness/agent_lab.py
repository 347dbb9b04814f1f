"""Machines with the Debian guest and no network card at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from .agent_guest import AgentGuest
from .debian_lab import DebianLab
from .lab import Running
from .warm import warm_state, warm_vm


class AgentLab(DebianLab):
    """As the Debian machines, but for the way in."""

    kind = AgentGuest.kind

    def prepare(self) -> str:
        """Build the image and boot it once."""
        image, choice = self.machine()
        warm_state(image, choice, card=False)
        return f"Debian with no network card under {choice}"

    @contextmanager
    def running(self) -> Iterator[Running]:
        """From the warm state."""
        image, choice = self.machine()
        with warm_vm(image, choice, card=False) as vm, AgentGuest(vm) as guest:
            guest.deploy()
            yield Running(vm, guest)
