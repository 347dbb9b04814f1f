"""Data which proves itself: every 8 bytes say to which stream they belong, and where in it.

This file is copied into guests, too, so it needs nothing but the standard library.
"""

from __future__ import annotations

from array import array

WORD = 8
OFFSET_BITS = 40
BLOCK = 256 * 1024
"""A good size to make and to take at a time."""


def pattern(stream: int, offset: int, length: int) -> bytes:
    """The `length` bytes which stand at `offset` of a stream, whose number is below 2**24."""
    first = offset // WORD
    last = (offset + length + WORD - 1) // WORD
    base = stream << OFFSET_BITS
    words = array("Q", range(base + first, base + last)).tobytes()
    skip = offset - first * WORD
    return words[skip : skip + length]


class Checker:
    """Takes what arrives on a stream from `start` on, and notices the first wrong byte."""

    def __init__(self, stream: int, start: int = 0) -> None:
        self._stream = stream
        self.received = start
        """Where in the stream the next byte stands."""
        self.wrong = ""
        """The first wrong bytes, in words; empty as long as everything is right."""

    def take(self, data: bytes) -> None:
        """Check the next bytes."""
        if not self.wrong:
            expected = pattern(self._stream, self.received, len(data))
            if data != expected:
                self.wrong = self._describe(data, expected)
        self.received += len(data)

    def _describe(self, data: bytes, expected: bytes) -> str:
        pairs = enumerate(zip(data, expected, strict=True))
        at = next(i for i, (got, due) in pairs if got != due)
        start = max(0, at - (self.received + at) % WORD)  # where its word begins
        got, due = data[start : start + 16].hex(), expected[start : start + 16].hex()
        return f"stream {self._stream}, offset {self.received + at}: {got} instead of {due}"
