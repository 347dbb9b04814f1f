"""Data which proves itself: every 8 bytes say to which stream they belong, and where in it."""

from __future__ import annotations

from array import array

WORD = 8
OFFSET_BITS = 40
BLOCK = 256 * 1024


class CorruptDataError(Exception):
    """A byte arrived which was never sent, or not at this place, or not to this stream."""


def pattern(stream: int, offset: int, length: int) -> bytes:
    """The `length` bytes which stand at `offset` of stream number `stream`."""
    first = offset // WORD
    last = (offset + length + WORD - 1) // WORD
    base = stream << OFFSET_BITS
    words = array("Q", range(base + first, base + last)).tobytes()
    skip = offset - first * WORD
    return words[skip : skip + length]


class Checker:
    """Takes what arrives on one stream, and counts it; raises at the first wrong byte."""

    def __init__(self, stream: int) -> None:
        self.stream = stream
        self.count = 0

    def feed(self, data: bytes) -> None:
        """Accept `data` as the continuation of the stream, or raise CorruptDataError."""
        expected = pattern(self.stream, self.count, len(data))
        if data != expected:
            wrong = next(
                i for i, pair in enumerate(zip(data, expected, strict=True)) if len(set(pair)) > 1
            )
            start = wrong - wrong % WORD
            raise CorruptDataError(
                f"stream {self.stream}, byte {self.count + wrong}: "
                f"got {data[start : start + 16].hex()}, "
                f"expected {expected[start : start + 16].hex()}"
            )
        self.count += len(data)
