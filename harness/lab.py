"""Where a guest of one kind comes from: what `make e2e` asks for a machine."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import AbstractContextManager
from typing import NamedTuple

from .guest import Guest
from .vm import VM


class Running(NamedTuple):
    """A machine that has booted, and a connection to the guest in it."""

    vm: VM
    guest: Guest


class Lab(ABC):
    """Machines with one kind of guest."""

    kind: str
    """For people, short: which system, which vsocks."""

    @abstractmethod
    def prepare(self) -> str:
        """Make, once, what machines start from; returns a line that says what they are."""

    @abstractmethod
    def running(self) -> AbstractContextManager[Running]:
        """A machine of one's own, as prepared, with vsocks deployed; gone after the block."""
