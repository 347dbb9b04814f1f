"""The buffers of all streams, made once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from vsocks.errors import BusyError
from vsocks.ring import Ring

#: What is read from a socket at once. Larger costs less a byte and holds others up longer.
READ_SIZE: Final = 128 * 1024


@dataclass(frozen=True, slots=True)
class Slot:
    """The buffers of one stream."""

    #: Read from the socket into here, then sent into the channel.
    outbound: memoryview
    #: What came out of the channel and the socket hasn't taken yet.
    inbound: Ring


class Pool:
    """A fixed number of slots. The last one given back is the next one taken."""

    def __init__(self, count: int, window: int) -> None:
        self.size = count
        self._free = [Slot(memoryview(bytearray(READ_SIZE)), Ring(window)) for _ in range(count)]

    def take(self) -> Slot:
        """A free slot; raises BusyError if there is none."""
        if not self._free:
            raise BusyError("all streams are taken")
        return self._free.pop()

    def give_back(self, slot: Slot) -> None:
        """Let others have the slot."""
        slot.inbound.clear()
        self._free.append(slot)
