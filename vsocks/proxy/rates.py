"""How fast counts grow, from one look at them to the next: nobody looks in between."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

    _Look = tuple[float, Mapping[Hashable, "Passed"]]

#: Seconds that a rate is measured over, at least.
_SHORTEST: Final = 1.0


@dataclass(frozen=True, slots=True)
class Passed:
    """Bytes that have passed since ``began``, a time."""

    sent: int
    received: int
    began: float


class Rates:
    """Remembers the last looks; ``now`` is a monotonic clock's."""

    def __init__(self) -> None:
        #: The look that rates are counted from, and the last one: when, and what was seen.
        self._base: _Look = (-math.inf, {})
        self._last: _Look = self._base

    def look(
        self, passed: Mapping[Hashable, Passed], now: float
    ) -> dict[Hashable, tuple[float, float]]:
        """Bytes a second, sent and received, of each; keys must never be used again."""
        if now - self._last[0] >= _SHORTEST:
            self._base, self._last = self._last, (now, passed)
        since, before = self._base
        rates = {}
        for key, count in passed.items():
            seconds = max(_SHORTEST, now - max(since, count.began))
            old = before.get(key) or Passed(0, 0, 0)
            rates[key] = (
                max(0, count.sent - old.sent) / seconds,
                max(0, count.received - old.received) / seconds,
            )
        return rates
