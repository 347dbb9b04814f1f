"""The program's icon, drawn: a door that stands open, in three sizes.

An .ico holds pictures as device-independent bitmaps: a header, rows from the bottom up with blue,
green, red and opacity for each point, then a mask that nobody reads any more.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

SIZES = (16, 32, 48)
FRAME, DARK, DOOR, KNOB = (
    (0x3A, 0x4A, 0x5E, 0xFF),
    (0x12, 0x1A, 0x24, 0xFF),
    (0xE8, 0x9B, 0x2C, 0xFF),
    (0xFF, 0xF4, 0xD6, 0xFF),
)
NOTHING = (0, 0, 0, 0)

Colour = tuple[int, int, int, int]


def icon() -> bytes:
    """The contents of an .ico file."""
    pictures = [_bitmap(size, door) for size in SIZES]
    directory = struct.pack("<HHH", 0, 1, len(pictures))
    at = len(directory) + 16 * len(pictures)
    for size, picture in zip(SIZES, pictures, strict=True):
        directory += struct.pack("<BBBBHHII", size, size, 0, 0, 1, 32, len(picture), at)
        at += len(picture)
    return directory + b"".join(pictures)


def door(x: float, y: float) -> Colour:
    """The colour at a point of the unit square, (0, 0) being the upper left corner."""
    if not (0.12 <= x <= 0.88 and 0.03 <= y <= 0.97):
        return NOTHING
    if not (0.22 <= x <= 0.78 and y >= 0.13):
        return FRAME
    # The leaf hangs on the left and stands open towards us: its free edge is lower and higher.
    reach = (x - 0.22) / 0.36
    if 0 <= reach <= 1 and 0.13 + 0.10 * reach <= y <= 0.97 - 0.02 * reach:
        return KNOB if 0.46 <= x <= 0.53 and 0.52 <= y <= 0.60 else DOOR
    return DARK


def _bitmap(size: int, colour: Callable[[float, float], Colour]) -> bytes:
    rows = [
        b"".join(
            struct.pack("BBBB", blue, green, red, alpha)
            for red, green, blue, alpha in (
                colour((x + 0.5) / size, (y + 0.5) / size) for x in range(size)
            )
        )
        for y in reversed(range(size))
    ]
    mask = bytes((size + 31) // 32 * 4 * size)
    header = struct.pack("<IiiHHIIiiII", 40, size, 2 * size, 1, 32, 0, 0, 0, 0, 0, 0)
    return header + b"".join(rows) + mask
