"""Frames whose checks are right, so that the fuzzer gets past them, in any order.

Beside frames it may deliver parts of them, raw bytes and hellos, let the daemon act, write
and wait, and begin a new session when one was lost.
"""

from __future__ import annotations

import struct

from tests.fuzz.arena import Arena
from tests.fuzz.feed import Feed
from vsocks.endpoint import Wire
from vsocks.frames import Kind
from vsocks.handshake import MIN_MAX_FRAME, Role

KINDS = list(Kind)


def run(data: bytes) -> None:
    feed = Feed(data)
    role = Role(feed.below(2))
    arena = Arena(role, Wire.AUTO, max_frame=MIN_MAX_FRAME if feed.below(4) == 3 else 0xFFFF)
    arena.shake_hands()
    while feed:
        step(arena, feed)
        if not arena.is_up and feed.below(2):
            arena.shake_hands()


def step(arena: Arena, feed: Feed) -> None:
    """One thing happens."""
    match feed.below(12):
        case 0 | 1 | 2:
            arena.deliver(arena.message(message(feed)))
        case 3:
            arena.deliver(arena.message(feed.blob()))
        case 4 | 5:
            arena.deliver(arena.frame(feed.below(5), bytes(feed.number(2) % 3000)))
        case 6:
            frame = arena.message(message(feed))
            cut = feed.below(len(frame))
            arena.deliver(frame[:cut])
            arena.write(feed.number(2))
            arena.deliver(frame[cut:])
        case 7:
            arena.deliver(feed.blob())
        case 8:
            ours = arena.endpoint._handshake.nonce
            nonce = arena.peer_nonce + feed.below(2)
            arena.deliver(arena.hello(nonce, ours if feed.below(2) else feed.number(2)))
        case 9:
            arena.act(feed.below(7), feed.below(4), feed.number(2))
        case 10:
            arena.write(feed.number(2))
        case 11:
            arena.wait(feed.number(1) / 8)


def message(feed: Feed) -> bytes:
    """The bytes of a message of a known kind, mostly with fields that fit it."""
    kind, stream = KINDS[feed.below(len(KINDS))], feed.below(6)
    match kind:
        case Kind.OPEN:
            fields = struct.pack("<H", stream) + address(feed)
        case Kind.OPEN_RESULT:
            bound = address(feed) if feed.below(2) else b""
            fields = struct.pack("<HB", stream, feed.below(9)) + bound
        case Kind.CREDIT:
            fields = struct.pack("<HI", stream, feed.number(2 + 2 * feed.below(2)))
        case Kind.END:
            fields = struct.pack("<H", stream)
        case Kind.CLOSE:
            fields = struct.pack("<HB", stream, feed.below(5))
        case Kind.ACK:
            fields = struct.pack("<I", feed.number(1 + feed.below(4)))
        case Kind.PING | Kind.PONG:
            fields = struct.pack("<Q", feed.number(1))
        case Kind.GOODBYE:
            fields = feed.blob()
    return bytes([kind]) + fields


def address(feed: Feed) -> bytes:
    """An address that is one, or any bytes."""
    match feed.below(4):
        case 0:
            return b"\x01" + feed.take(4).ljust(4, b"\0") + b"\0\x50"
        case 1:
            return b"\x04" + feed.take(16).ljust(16, b"\0") + b"\0\x50"
        case 2:
            return b"\x03\x0bexample.com\0\x50"
        case _:
            return feed.blob()


#: An open, an answer by the daemon, data both ways, ends and closes; and the guest's side of it.
SEEDS = [
    bytes(
        [1, 0, 0, 0, 0, 2, 9, 1, 0, 0, 0, 4, 0, 9, 0, 9, 3, 0, 9, 0, 10, 0, 4, 0, 3, 0, 0, 4, 0, 1]
    ),
    bytes([0, 0, 9, 0, 0, 0, 0, 10, 0, 4, 0, 1, 0, 0, 0, 4, 0, 9, 0, 9, 5, 0, 1, 0, 10, 0, 4]),
    bytes([1, 3, 0, 7, 0, 5, 8, 1, 0, 6, 0, 0, 2, 5, 0, 0, 7, 3, 1, 2, 3, 11, 200, 11, 200]),
]
