"""Any packets in the original format, at a session of it, in both roles."""

from __future__ import annotations

import struct

from tests.fuzz.arena import ACTIONS, STREAMS, TARGET, Arena
from tests.fuzz.feed import Feed
from vsocks.address import encode_address
from vsocks.protocol.endpoint import Wire
from vsocks.protocol.handshake import Role

REQUEST = encode_address(TARGET)


def run(data: bytes) -> None:
    feed = Feed(data)
    arena = Arena(Role(feed.below(2)), Wire.ORIGINAL)
    while feed:
        step(arena, feed)
        assert arena.is_up, "nothing ends a session in the original format"


def step(arena: Arena, feed: Feed) -> None:
    """One thing happens."""
    number = feed.below(STREAMS + 1)
    match feed.below(10):
        case 0 | 1:
            arena.deliver(packet(number, REQUEST))
        case 2 | 3:
            # Not zeros: out of step those are thousands of empty packets, which takes long.
            arena.deliver(packet(number, b"\xff" * feed.number(2)))
        case 4:
            arena.deliver(packet(number, b""))
        case 5:
            arena.deliver(packet(feed.number(2), feed.blob()))
        case 6:
            arena.deliver(feed.blob())
        case 7:
            arena.act(feed.below(ACTIONS), number, feed.number(2))
        case 8:
            arena.write(feed.number(2))
        case 9:
            arena.wait(feed.number(1) / 8)


def packet(number: int, data: bytes) -> bytes:
    return struct.pack("<HH", number, len(data)) + data


SEEDS = [
    bytes([1, 0, 0, 0, 2, 200, 0, 0, 7, 3, 9, 0, 0, 8, 0, 0, 0, 4, 0, 7, 5, 0, 0]),
    bytes([0, 0, 7, 0, 0, 0, 0, 8, 0, 0, 0, 2, 0, 9, 0, 4, 0, 7, 5, 0, 0, 0, 8, 0, 0]),
    # More than a window on one stream, so that it stalls, and time until it is given up.
    bytes([1, 0, 0, 0, 2, 255, 255, 0, 2, 9, 0, 1, 0, 0, 9, 255]),
]
