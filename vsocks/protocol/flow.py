"""How much may be on its way in the channel.

A pipe holds far more than it needs to stay busy (QEMU's holds 0.7 MB towards a guest), and
whatever is queued in it stands in front of the next keystroke. So the sender keeps count of
what the receiver hasn't yet taken out, and keeps that below a limit, which it fits to the
channel: it grows while bytes come through quickly and shrinks when they begin to queue. What
is quick depends on the channel and on the machines at its ends; the shortest delay seen tells.
"""

from __future__ import annotations

import math
from collections import deque
from typing import Final

from vsocks.errors import ProtocolError

MIN_LIMIT: Final = 64 * 1024
MAX_LIMIT: Final = 512 * 1024
#: The time that bytes may wait in the channel, in seconds, before the limit is lowered.
MAX_WAIT: Final = 0.004
#: A peer that never acknowledges may not make the list of times grow.
_MAX_MARKS: Final = 1024


class Flight:
    """The unacknowledged bytes of one direction of a session."""

    def __init__(self, min_limit: int = MIN_LIMIT, max_limit: int = MAX_LIMIT) -> None:
        self._min = min_limit
        self._max = max_limit
        self._sent = 0
        self._acked = 0
        #: (bytes sent so far, when) of batches that are still on their way, oldest first.
        self._marks: deque[tuple[int, float]] = deque(maxlen=_MAX_MARKS)
        self._shortest = math.inf
        #: Seconds that the last bytes, or a ping, took to be answered; None before any.
        self.delay: float | None = None
        self.limit = max(min_limit, min(max_limit, 4 * min_limit))

    def __repr__(self) -> str:
        return f"<Flight {self.unacked} of {self.limit} bytes>"

    @property
    def unacked(self) -> int:
        """Bytes sent and not yet acknowledged."""
        return self._sent - self._acked

    @property
    def room(self) -> int:
        """Bytes that may be sent now."""
        return max(0, self.limit - self.unacked)

    def sent(self, size: int, now: float) -> None:
        """Count ``size`` bytes that were given to the channel."""
        self._sent += size
        if not self._marks or self._sent - self._marks[-1][0] >= self._min // 4:
            self._marks.append((self._sent, now))

    def acked(self, size: int, now: float) -> None:
        """Count ``size`` bytes that the receiver has taken out.

        Raises ProtocolError if that is more than was sent.
        """
        if size > self.unacked:
            raise ProtocolError(f"{size} bytes acknowledged, only {self.unacked} were on their way")
        self._acked += size
        delay = None
        while self._marks and self._marks[0][0] <= self._acked:
            delay = now - self._marks.popleft()[1]
        if delay is not None:
            self.delay = delay
            self._adapt(delay, size)

    def _adapt(self, delay: float, size: int) -> None:
        """Fit the limit to the time that some bytes took to be acknowledged."""
        # Never forgotten: a measure that followed the delay up would let it grow without end.
        self._shortest = min(delay, self._shortest)
        wait = delay - self._shortest
        most = MAX_WAIT + self._shortest
        if wait > most:
            self.limit = max(self._min, self.limit * 3 // 4)
        elif wait < most / 2:
            self.limit = min(self._max, self.limit + size)
