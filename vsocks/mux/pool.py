"""The buffers of all streams, made once."""

from __future__ import annotations

import mmap
from dataclasses import dataclass
from typing import Final

from vsocks.errors import BusyError
from vsocks.mux.ring import Ring
from vsocks.protocol.frames import MAX_PAYLOAD

#: What is read from a socket at once: whole frames. More costs less a byte, but holds up others.
READ_SIZE: Final = 4 * MAX_PAYLOAD


@dataclass(frozen=True, slots=True)
class Slot:
    """The buffers of one stream."""

    #: Read from the socket into here, then sent into the channel.
    outbound: memoryview
    #: What came out of the channel and the socket hasn't taken yet.
    inbound: Ring


class Pool:
    """A fixed number of slots in one piece of memory.

    The last slot given back is the next one taken, so the system has to find real memory
    only for as many slots as have ever been in use at once.
    """

    def __init__(self, count: int, window: int) -> None:
        self.size = count
        each = READ_SIZE + window
        memory = memoryview(mmap.mmap(-1, count * each))
        self._free = [
            Slot(memory[at : at + READ_SIZE], Ring(memory[at + READ_SIZE : at + each]))
            for at in reversed(range(0, count * each, each))
        ]

    @property
    def free(self) -> int:
        """How many slots can be taken now."""
        return len(self._free)

    def take(self) -> Slot:
        """A free slot; raises BusyError if there is none."""
        if not self._free:
            raise BusyError("all streams are taken")
        return self._free.pop()

    def give_back(self, slot: Slot) -> None:
        """Let others have the slot."""
        slot.inbound.clear()
        self._free.append(slot)
