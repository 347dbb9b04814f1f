"""What wrong passwords cost whoever guesses: time, more with each."""

from __future__ import annotations

from typing import Final

#: So many wrong ones cost nothing: people mistype.
_FREE: Final = 3
#: Seconds that the answer to the next one waits, doubled with each, and at most.
_FIRST: Final = 0.1
_LONGEST: Final = 3.0
#: Seconds after which one is forgotten.
_FORGOTTEN_AFTER: Final = 10.0


class Guesses:
    """Wrong passwords of all clients: who guesses may well come by several connections."""

    def __init__(self) -> None:
        self._count = 0.0
        self._last = 0.0

    def wait(self, now: float) -> float:
        """One more was wrong at ``now``: for how many seconds its answer is to wait."""
        self._count = max(0.0, self._count - (now - self._last) / _FORGOTTEN_AFTER) + 1
        self._last = now
        beyond = self._count - _FREE
        return min(_LONGEST, _FIRST * 2 ** min(beyond, 10)) if beyond > 0 else 0.0
