"""The buffers of all streams, allocated once."""

from __future__ import annotations

import mmap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from vsocks.errors import BusyError, describe
from vsocks.protocol.frames import MAX_PAYLOAD

if TYPE_CHECKING:
    from collections.abc import Callable

#: What is read from a socket at once: whole frames. More costs less a byte, but holds up others.
READ_SIZE: Final = 4 * MAX_PAYLOAD
#: Buffers that a common pool allocates at once.
_AT_ONCE: Final = 64


class Ring:
    """A ring buffer: bytes, first in first out, in memory that is allocated once."""

    def __init__(self, memory: memoryview) -> None:
        self._memory = memory
        self._start = 0
        self._size = 0

    def __len__(self) -> int:
        return self._size

    @property
    def room(self) -> int:
        """How many bytes put() would take now."""
        return len(self._memory) - self._size

    def put(self, data: memoryview) -> None:
        """Append ``data``; raises BufferError if there is no room for all of it."""
        if len(data) > self.room:
            raise BufferError(f"{len(data)} bytes for a ring with room for {self.room}")
        at = (self._start + self._size) % len(self._memory)
        head = min(len(data), len(self._memory) - at)
        self._memory[at : at + head] = data[:head]
        self._memory[: len(data) - head] = data[head:]
        self._size += len(data)

    def peek(self) -> memoryview:
        """The oldest bytes, as many as are contiguous; valid until drop() or clear()."""
        return self._memory[self._start : self._start + self._size][: self._size]

    def drop(self, size: int) -> None:
        """Remove the oldest ``size`` bytes."""
        self._size -= size
        self._start = (self._start + size) % len(self._memory) if self._size else 0

    def clear(self) -> None:
        """Remove everything."""
        self._start = self._size = 0


@dataclass(frozen=True, slots=True)
class StreamBuffers:
    """The buffers of one stream."""

    #: Read from the socket into here, then sent into the channel.
    outbound: memoryview
    #: What came out of the channel and the socket hasn't taken yet.
    inbound: Ring


class Pool:
    """A fixed number of buffers in one piece of memory.

    Buffers returned last are taken first, so the system needs real memory only for as many as
    have ever been in use at once.
    """

    def __init__(self, count: int, window: int, at_once: int | None = None) -> None:
        """Allocates ``at_once`` of them now, and as many again when those are taken; or all."""
        self.size = count
        self._each = READ_SIZE + window
        #: Bytes of all of them.
        self.bytes = count * self._each
        self._at_once = at_once or count
        self._allocated = 0
        self._free: list[StreamBuffers] = []
        self._allocate()

    @property
    def free(self) -> int:
        """How many can be taken now."""
        return len(self._free) + self.size - self._allocated

    def take(self) -> StreamBuffers:
        """Free buffers for a stream; raises BusyError if there are none."""
        if not self._free:
            self._allocate()
        return self._free.pop()

    def _allocate(self) -> None:
        count, each = min(self._at_once, self.size - self._allocated), self._each
        if not count:
            raise BusyError("all streams are taken")
        try:
            memory = memoryview(mmap.mmap(-1, count * each))
        except OSError as error:
            raise BusyError(f"no memory for more streams: {describe(error)}") from None
        self._allocated += count
        self._free = [
            StreamBuffers(memory[at : at + READ_SIZE], Ring(memory[at + READ_SIZE : at + each]))
            for at in reversed(range(0, count * each, each))
        ]

    def give_back(self, buffers: StreamBuffers) -> None:
        """Return the buffers for another stream."""
        buffers.inbound.clear()
        self._free.append(buffers)


class CommonPool:
    """One pool for several machines.

    Each machine has the same least number of buffers for itself, whether it is there yet or not.
    Those that are over go to whoever needs more.
    """

    def __init__(self, count: int, window: int, machines: int) -> None:
        """``count`` buffers for at most ``machines``; one half of them is theirs for sure."""
        self.pool = Pool(count, window, _AT_ONCE)
        self.least = max(1, count // (2 * machines))
        #: Those that are over and free.
        self.spare = max(0, count - self.least * machines)

    def part(self, size: int) -> Part:
        """What one machine takes from; ``size`` at most."""
        return Part(self, size)


class Part:
    """One machine's part of a common pool; for its users like a pool of its own."""

    def __init__(self, common: CommonPool, size: int) -> None:
        self.size = size
        self.bytes = size * common.pool.bytes // common.pool.size
        self._common = common
        self._taken = 0

    @property
    def free(self) -> int:
        """How many can be taken now."""
        own = max(0, self._common.least - self._taken)
        return min(self.size - self._taken, own + self._common.spare)

    def take(self) -> StreamBuffers:
        """Free buffers for a stream; raises BusyError if there are none."""
        if not self.free:
            raise BusyError("all streams are taken")
        buffers = self._common.pool.take()
        if self._taken >= self._common.least:
            self._common.spare -= 1
        self._taken += 1
        return buffers

    def give_back(self, buffers: StreamBuffers) -> None:
        """Return the buffers for another stream."""
        self._taken -= 1
        if self._taken >= self._common.least:
            self._common.spare += 1
        self._common.pool.give_back(buffers)


class Share:
    """What some of a pool's users may take of it."""

    def __init__(self, pool: Pool | Part, size: int) -> None:
        self.whole = pool
        self.size = size
        #: Called when there are none to take; some may be given back within the call.
        self.make_room: Callable[[], object] = lambda: None
        self._taken = 0

    @property
    def free(self) -> int:
        """How many can be taken now."""
        return min(self.size - self._taken, self.whole.free)

    def take(self) -> StreamBuffers:
        """Free buffers for a stream; raises BusyError if there are none."""
        if not self.free:
            self.make_room()
        if not self.free:
            raise BusyError("all streams are taken")
        self._taken += 1
        return self.whole.take()

    def give_back(self, buffers: StreamBuffers) -> None:
        """Return the buffers for another stream."""
        self._taken -= 1
        self.whole.give_back(buffers)


#: Buffers beyond those that the guest's clients may take, for what the host opens.
RESERVED: Final = 8


def share_out(
    count: int, window: int, *, with_host: bool, common: CommonPool | None = None
) -> tuple[Share, Share]:
    """Buffers for ``count`` streams of the guest's clients: their share, and the host's.

    They are new, or a part of ``common``, which has the same window.

    ``with_host`` the host opens streams, too, and there are some that the clients can't take: who
    holds all of his own keeps nobody else out.
    """
    size = count + (RESERVED if with_host else 0)
    pool = Pool(size, window) if common is None else common.part(size)
    return Share(pool, count), Share(pool, pool.size)
