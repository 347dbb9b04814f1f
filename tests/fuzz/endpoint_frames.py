"""Frames whose checks are right, so that the fuzzer gets past them, in any order.

Beside frames it may deliver parts of them, raw bytes and hellos, let the daemon act, write
and wait, and begin a new session when one was lost.
"""

from __future__ import annotations

import struct

from tests.fuzz.arena import ACTIONS, Arena
from tests.fuzz.feed import Feed
from vsocks.endpoint import Wire
from vsocks.handshake import MIN_MAX_FRAME, Role
from vsocks.messages import Kind

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
    match feed.below(13):
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
            hello = bytearray(arena.hello(nonce, ours if feed.below(2) else feed.number(2)))
            if feed.below(4) == 3:
                hello[feed.below(len(hello))] ^= 1
            arena.deliver(bytes(hello))
        case 9:
            arena.act(feed.below(ACTIONS), feed.below(4), feed.number(2))
        case 10:
            arena.write(feed.number(2))
        case 11:
            arena.wait(feed.number(1) / 8)
        case 12:
            # What one message costs hardly shows; what many of a kind cost does.
            payload = message(feed)
            arena.deliver(b"".join(arena.message(payload) for _ in range(feed.number(1))))


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


# -- seeds: each is a row of choices, as run() takes them -----------------------------------


def says(kind: Kind, stream: int, *fields: int) -> bytes:
    return bytes([0, KINDS.index(kind), stream, *fields])


def sends(stream: int, size: int) -> bytes:
    return bytes([4, stream]) + size.to_bytes(2, "little")


def does(action: int, stream: int, size: int = 0) -> bytes:
    return bytes([9, action, stream]) + size.to_bytes(2, "little")


def repeats(kind: Kind, stream: int, *fields: int) -> bytes:
    return bytes([12, KINDS.index(kind), stream, *fields, 255])


WRITES = bytes([10, 255, 255])
CONSUMES, GOODBYES = 6, 7
HOST, GUEST = bytes([1, 0]), bytes([0, 0])

SEEDS = [
    # The host accepts; data both ways, credit for all of it, the ends, the closes.
    HOST + says(Kind.OPEN, 0, 2) + does(1, 0) + sends(0, 2000) + does(CONSUMES, 0, 2000) + WRITES,
    HOST + says(Kind.OPEN, 1, 2) + does(1, 1) + does(3, 1, 3000) + WRITES + does(4, 1) + WRITES,
    HOST + says(Kind.OPEN, 0, 2) + does(1, 0) + says(Kind.END, 0) + does(5, 0) + WRITES,
    HOST + says(Kind.OPEN, 0, 2) + does(2, 0, 4) + WRITES + says(Kind.CLOSE, 0, 1),
    # The host is done but for data without credit, and the guest resets.
    HOST
    + says(Kind.OPEN, 0, 2)
    + does(1, 0)
    + does(3, 0, 3000)
    + says(Kind.END, 0)
    + does(5, 0)
    + WRITES
    + says(Kind.CLOSE, 0, 1)
    + WRITES,
    # The guest opens, and is accepted or refused.
    GUEST + does(0, 0) + WRITES + says(Kind.OPEN_RESULT, 0, 0, 0) + sends(0, 9) + does(3, 0, 9),
    GUEST + does(0, 0) + WRITES + says(Kind.OPEN_RESULT, 0, 5, 0) + does(5, 0, 1) + WRITES,
    HOST + repeats(Kind.PING, 0, 1) + repeats(Kind.ACK, 0, 0, 0) + WRITES,
    # Short frames, raw bytes, hellos, silence, and our goodbye.
    bytes([1, 3, 7, 5, 8, 1, 0, 6, 0, 8, 0, 1, 0, 8, 0, 1, 3, 30, 11, 200, 11, 200]) + WRITES,
    HOST + does(GOODBYES, 0) + WRITES,
]
