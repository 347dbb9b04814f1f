"""A bound on the log, which peers and clients would fill otherwise: a disk is soon full.

Each line that the code can write has a rate of its own, so that a flood of one hides no other.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Final

from vsocks.mux.machine_log import MACHINE
from vsocks.token_bucket import TokenBucket

if TYPE_CHECKING:
    from collections.abc import Callable

#: Lines of a kind that are written at once, and a second in the long run: that makes 10 MB a day of
#: a kind that a peer causes without end.
AT_ONCE: Final = 500
IN_THE_LONG_RUN: Final = 1.0
#: Kinds that are told apart.
_KINDS: Final = 10_000


class LogThrottle(logging.Filter):
    """Lets a line pass, or counts it for the next of its kind that passes.

    A kind is what the code has written before values are put in, of one machine. What is only
    logged for those who ask for more (DEBUG) always passes. One throttle serves several handlers.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        #: By the machine and the line, the oldest first.
        self._kinds: dict[tuple[str, object], _Kind] = {}
        #: The last record, and whether it passed: the next handler asks again.
        self._last: tuple[logging.LogRecord | None, bool] = (None, True)

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether it is written; says then how many were not."""
        if record.levelno < logging.INFO:
            return True
        if record is not self._last[0]:
            self._last = record, self._passes(record)
        return self._last[1]

    def _passes(self, record: logging.LogRecord) -> bool:
        kind = self._kind((getattr(record, MACHINE, ""), record.msg))
        if not kind.rate.take(now=self._clock()):
            kind.left_out += 1
            return False
        if kind.left_out:
            record.msg = f"{record.getMessage()} (and {kind.left_out} more before it)"
            record.args = ()
            kind.left_out = 0
        return True

    def _kind(self, key: tuple[str, object]) -> _Kind:
        kind = self._kinds.get(key)
        if kind is None:
            if len(self._kinds) >= _KINDS:
                # Machines come and go.
                del self._kinds[next(iter(self._kinds))]
            kind = self._kinds[key] = _Kind()
        return kind


class _Kind:
    """How often a line was written."""

    def __init__(self) -> None:
        self.rate = TokenBucket(IN_THE_LONG_RUN, burst=AT_ONCE)
        self.left_out = 0
