"""What becomes of the bytes of good frames in the hands of somebody hostile."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from vsocks.protocol.frames import CHECK, HEADER

Bend = Callable[[Random, bytes], bytes]


def flipped(dice: Random, data: bytes) -> bytes:
    """One bit is another."""
    at = dice.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1 << dice.randrange(8)]) + data[at + 1 :]


def cut(dice: Random, data: bytes) -> bytes:
    """The end is missing: the next frame is taken for it."""
    return data[: dice.randrange(len(data))]


def doubled(dice: Random, data: bytes) -> bytes:
    """All of it comes twice."""
    return data * 2


def behind_noise(dice: Random, data: bytes) -> bytes:
    """Something else comes before it."""
    return dice.randbytes(dice.randrange(1, 100)) + data


def behind_zeros(dice: Random, data: bytes) -> bytes:
    """As the padding of a handshake, but of any length."""
    return bytes(dice.randrange(1, 1 << dice.randrange(1, 17))) + data


def longer(dice: Random, data: bytes) -> bytes:
    """The first frame says that it has another length than it has."""
    if len(data) < HEADER.size:
        return data
    frame_id, length = HEADER.unpack_from(data)
    other = max(0, min(0xFFFF, length + dice.choice((-CHECK.size, -1, 1, 1000, 0xFFFF))))
    return HEADER.pack(frame_id, other) + data[HEADER.size :]


def readdressed(dice: Random, data: bytes) -> bytes:
    """The first frame goes to another stream; its check is right."""
    return dice.randbytes(2) + data[2:]


BENDS: list[Bend] = [flipped, cut, doubled, behind_noise, behind_zeros, longer, readdressed]


def bent(dice: Random, data: bytes) -> bytes:
    """The same bytes with something wrong."""
    return dice.choice(BENDS)(dice, data)
