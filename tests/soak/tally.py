"""What passed, what failed and what was wrong, counted by many threads."""

from __future__ import annotations

import threading
import time
from collections import Counter

#: Failures that are told of in words.
MOST_TOLD = 20


class Tally:
    """The counts, and the outages that explain failures."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        #: Of each kind of traffic, what has passed to its end.
        self.passed: Counter[str] = Counter()
        self.bytes = 0
        self.wrong = 0
        #: Failures while a daemon was away, and the others.
        self.explained = 0
        self.unexplained = 0
        #: Seconds from each kill till traffic passed again.
        self.outages: list[float] = []
        self._since: float | None = None
        self._last_outage = 0.0
        self.told: list[str] = []

    def kills(self) -> None:
        """A daemon is killed now."""
        with self._lock:
            self._since = time.monotonic()

    def passes_again(self) -> None:
        """All is as it was before the kill."""
        with self._lock:
            assert self._since is not None
            self._last_outage = time.monotonic()
            self.outages.append(self._last_outage - self._since)
            self._since = None

    def count(self, size: int) -> None:
        """So many right bytes have come."""
        with self._lock:
            self.bytes += size

    def has_passed(self, kind: str) -> None:
        """One of that kind has come to its end."""
        with self._lock:
            self.passed[kind] += 1

    def has_failed(self, kind: str, began: float, error: BaseException) -> None:
        """One that began then has failed now: a kill explains it if there was one between."""
        with self._lock:
            if self._since is not None or began <= self._last_outage:
                self.explained += 1
                return
            self.unexplained += 1
        self.tell(f"{kind} failed, and nobody was killed: {type(error).__name__}: {error}")

    def is_wrong(self, kind: str, error: BaseException) -> None:
        """Something came that was never sent, or not there."""
        with self._lock:
            self.wrong += 1
        self.tell(f"{kind}: {error}")

    def tell(self, what: str) -> None:
        """Print it, unless there was too much of that."""
        with self._lock:
            self.told.append(what)
            if len(self.told) <= MOST_TOLD:
                print(what, flush=True)

    def __str__(self) -> str:
        passed = sum(self.passed.values())
        return (
            f"{passed} passed, {self.bytes / 1e6:.0f} MB, {self.wrong} wrong, "
            f"{self.unexplained} failed ({self.explained} more by {len(self.outages)} kills)"
        )
