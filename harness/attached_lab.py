"""One machine, which somebody else has started, for all tests in turn."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from .attached_vm import AttachError
from .borrowed import Borrowed
from .lab import Lab, Running
from .stopwatch import timed


class AttachedLab(Lab):
    """`attach` attaches to it. Each test finds it as the one before has left it."""

    kind = Borrowed.kind

    def __init__(self, name: str, attach: Callable[[], AbstractContextManager[Running]]) -> None:
        self.name = name
        self._attach = attach
        self._is_taken = False

    def prepare(self) -> str:
        """Attach once, and see who is there. Raises UnavailableError."""
        with self._attach() as (_, guest):
            return f"{guest.succeed('uname -sr').strip()} at {self.name}"

    @contextmanager
    def running(self) -> Iterator[Running]:
        """Attached, with vsocks deployed; detached after the block."""
        if self._is_taken:
            raise AttachError(
                f"{self.name} is one machine, and a test has it already: of `vm` and `shared_vm` "
                "(and what depends on them) tests can use one or the other"
            )
        with self._attach() as (vm, guest):
            self._is_taken = True
            try:
                with timed("vsocks into the guest"):
                    guest.deploy()
                yield Running(vm, guest)
            finally:
                self._is_taken = False
