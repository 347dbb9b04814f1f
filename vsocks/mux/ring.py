"""A ring buffer of fixed size."""

from __future__ import annotations


class Ring:
    """Bytes in order, first in first out, in memory that was taken once."""

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
        """The oldest bytes, as many as lie together; valid until drop() or clear()."""
        return self._memory[self._start : self._start + self._size][: self._size]

    def drop(self, size: int) -> None:
        """Forget the oldest ``size`` bytes."""
        self._size -= size
        self._start = (self._start + size) % len(self._memory) if self._size else 0

    def clear(self) -> None:
        """Forget everything."""
        self._start = self._size = 0
