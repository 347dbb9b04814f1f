"""Data that proves itself: every 8 bytes say which stream and which offset they belong to.

This file also runs in the guest, so it needs nothing but the standard library.
"""

from __future__ import annotations

import struct
from array import array
from enum import Enum

WORD = 8
BLOCK = 64 * 1024
OFFSET_BITS = 40

HEADER = struct.Struct("<4sIQ")
"""What a client says first: mode, number of the stream, length in bytes (0: without end)."""
VERDICT = struct.Struct("<Q?")
"""What the server answers to an upload at its end: bytes taken, and whether all were right."""


class Mode(Enum):
    """What a connection is for."""

    DOWN = b"DOWN"
    UP = b"UP  "
    BOTH = b"BOTH"


def upward(stream: int) -> int:
    """The number under which the client's data of a stream in both directions goes."""
    return stream | 1 << 23


def expected(stream: int, offset: int, size: int) -> bytes:
    """The bytes from `offset` on of a stream (a number below 2**24)."""
    first, skip = divmod(offset, WORD)
    count = (skip + size + WORD - 1) // WORD
    base = (stream << OFFSET_BITS) + first
    words = array("Q", range(base, base + count))
    return words.tobytes()[skip : skip + size]


class Checker:
    """Compares what arrives with what was sent."""

    def __init__(self, stream: int) -> None:
        self._stream = stream
        self.received = 0
        self.wrong = ""
        """The first wrong bytes, in words; empty as long as everything is right."""

    def take(self, data: bytes) -> None:
        """Check the next bytes."""
        if not self.wrong and data != expected(self._stream, self.received, len(data)):
            self.wrong = self._describe(data)
        self.received += len(data)

    def _describe(self, data: bytes) -> str:
        right = expected(self._stream, self.received, len(data))
        at = next(i for i, (got, due) in enumerate(zip(data, right, strict=True)) if got != due)
        got, due = data[at : at + 16].hex(), right[at : at + 16].hex()
        return f"stream {self._stream}, offset {self.received + at}: {got} instead of {due}"
