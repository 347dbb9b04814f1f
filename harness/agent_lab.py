"""Machines with the Debian guest and no network card at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from .agent_guest import AgentGuest
from .debian_lab import DebianLab
from .lab import Running
from .stopwatch import timed
from .warm import warm_state, warm_vm


class AgentLab(DebianLab):
    """As the Debian machines, but for the way in."""

    kind = AgentGuest.kind
    by_agent = AgentGuest

    def prepare(self) -> str:
        """Build the image and boot it once."""
        image, choice = self.machine()
        warm_state(image, choice, card=False)
        return f"Debian with no network card under {choice}"

    @contextmanager
    def running(self) -> Iterator[Running]:
        """From the warm state."""
        image, choice = self.machine()
        with ExitStack() as stack:
            with timed("QEMU"):
                vm = stack.enter_context(warm_vm(image, choice, card=False))
            with timed("agent"):
                guest = stack.enter_context(self.by_agent.of(vm))
            with timed("vsocks into the guest"):
                guest.deploy()
            yield Running(vm, guest)
