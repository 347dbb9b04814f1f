"""What the client in the guest and the server on the host say to each other.

Their data proves itself (`tests/support/pattern.py`). This file also runs in the guest, so it needs
nothing but the standard library.
"""

from __future__ import annotations

import struct
from enum import Enum

BLOCK = 64 * 1024

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
