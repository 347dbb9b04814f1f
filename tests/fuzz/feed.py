"""Fuzz bytes as a row of choices."""

from __future__ import annotations


class Feed:
    """Gives bytes from the front; when they run out every choice is 0."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def __bool__(self) -> bool:
        """Whether there is anything left."""
        return self._at < len(self._data)

    def take(self, size: int) -> bytes:
        """The next bytes, as many as there are."""
        taken = self._data[self._at : self._at + size]
        self._at += size
        return taken

    def number(self, size: int) -> int:
        """A number of so many bytes."""
        return int.from_bytes(self.take(size), "little")

    def below(self, limit: int) -> int:
        """A number from 0 to ``limit`` - 1; ``limit`` is 256 at most."""
        return self.number(1) % limit

    def blob(self) -> bytes:
        """Bytes with their number before them: mostly few, sometimes up to 65535."""
        size = self.number(1)
        return self.take(size if size < 255 else self.number(2))
