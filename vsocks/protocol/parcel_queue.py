"""Parcels that wait for their turn to leave: few, and not for long.

A datagram that comes late is worth nothing, and one that waits for a slow channel would only
make those behind it late. So there is a bound on bytes and on time, and what is beyond is
dropped and counted. Messages *about* associations and questions are small and have no time
limit; they find room where a datagram finds none.
"""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING, Final

from vsocks.protocol.parcels import Datagram, encode_parcel

if TYPE_CHECKING:
    from vsocks.protocol.parcels import Parcel

#: Bytes of datagrams that may wait.
DATAGRAM_BYTES: Final = 256 * 1024
#: Bytes that may wait in all.
TOTAL_BYTES: Final = 512 * 1024
#: Seconds that a datagram may wait.
MAX_AGE: Final = 1.0
#: What one entry costs beside its bytes.
_ENTRY_COST: Final = 128


class ParcelQueue:
    """A queue of encoded parcels, first in first out."""

    def __init__(self, max_payload: int) -> None:
        """``max_payload`` is the longest that one frame can carry."""
        self._max_payload = max_payload
        self._waiting: deque[tuple[float, bytes]] = deque()
        self._size = 0
        #: Datagrams that were given up: too many, too late or too long.
        self.dropped = 0

    @property
    def count(self) -> int:
        """How many wait."""
        return len(self._waiting)

    def __repr__(self) -> str:
        return f"<ParcelQueue {len(self._waiting)} in {self._size} bytes, {self.dropped} dropped>"

    def put(self, parcel: Parcel, now: float) -> bool:
        """Queue a parcel; False if it was dropped."""
        self._drop_late(now)
        payload = encode_parcel(parcel)
        is_datagram = isinstance(parcel, Datagram)
        size = self._size + len(payload) + _ENTRY_COST
        if len(payload) > self._max_payload or size > (
            DATAGRAM_BYTES if is_datagram else TOTAL_BYTES
        ):
            self.dropped += is_datagram
            return False
        self._size = size
        self._waiting.append((now + MAX_AGE if is_datagram else math.inf, payload))
        return True

    def next_size(self, now: float) -> int:
        """The length of the parcel that is next, 0 if none waits; what is late is dropped."""
        self._drop_late(now)
        return len(self._waiting[0][1]) if self._waiting else 0

    def take(self) -> bytes:
        """The next parcel's bytes; there must be one."""
        _, payload = self._waiting.popleft()
        self._size -= len(payload) + _ENTRY_COST
        return payload

    def _drop_late(self, now: float) -> None:
        """Make room: nothing may have asked for the next parcel while the channel stood still."""
        while self._waiting and self._waiting[0][0] < now:
            self.dropped += 1
            self.take()
