"""Work in threads beside the test, whose faults the test gets."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

from tests.integration.support.waiting import DEADLINE


class Background:
    """Does each of `works` in a thread, from entering the context to leaving it.

    They return soon after `ends` is set. What one of them raises, leaving the context does.
    """

    def __init__(self, *works: Callable[[], None]) -> None:
        self.ends = threading.Event()
        self._fault: BaseException | None = None
        self._threads = [
            threading.Thread(target=self._work, args=(work,), daemon=True) for work in works
        ]

    def _work(self, work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as fault:
            self._fault = fault

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.ends.set()
        for thread in self._threads:
            thread.join(DEADLINE)
        if self._fault is None:
            return
        if error is None:
            raise self._fault
        error.add_note(f"besides, in {type(self).__name__}: {self._fault!r}")
