"""Frames whose checks are right, so that the fuzzer gets past them, in any order.

Beside frames it may deliver parts of them, raw bytes and hellos, let the daemon act, write
and wait, and begin a new session when one was lost, with a peer that can do this or that.
"""

from __future__ import annotations

import struct

from tests.fuzz.arena import ACTIONS, STREAMS, Arena
from tests.fuzz.feed import Feed
from vsocks.protocol.endpoint import Wire
from vsocks.protocol.frames import FIRST_HOST_ID, MAX_PAYLOAD
from vsocks.protocol.handshake import ALL_FEATURES, MIN_MAX_FRAME, Feature, Role
from vsocks.protocol.messages import Kind
from vsocks.protocol.parcels import ParcelKind

AnyKind = Kind | ParcelKind
KINDS: list[AnyKind] = [*Kind, *ParcelKind]
#: The streams of both sides, and one beyond each.
IDS = [*range(STREAMS + 1), *range(FIRST_HOST_ID, FIRST_HOST_ID + STREAMS + 1)]


def run(data: bytes) -> None:
    feed = Feed(data)
    role = Role(feed.below(2))
    arena = Arena(role, Wire.AUTO, max_frame=MIN_MAX_FRAME if feed.below(4) == 3 else 0xFFFF)
    arena.shake_hands()
    while feed:
        step(arena, feed)
        if not arena.is_up and feed.below(2):
            arena.peer_features = ALL_FEATURES & ~Feature(feed.below(16))
            arena.shake_hands()


def step(arena: Arena, feed: Feed) -> None:
    """One thing happens."""
    match feed.below(13):
        case 0 | 1 | 2:
            arena.deliver(arena.message(message(feed)))
        case 3:
            arena.deliver(arena.message(feed.blob()))
        case 4 | 5:
            arena.deliver(arena.frame(IDS[feed.below(len(IDS))], bytes(feed.number(2) % 3000)))
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
            arena.act(feed.below(ACTIONS), feed.below(2 * STREAMS), feed.number(2))
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
    kind, stream = KINDS[feed.below(len(KINDS))], IDS[feed.below(len(IDS))]
    match kind:
        case Kind.OPEN | Kind.LISTEN | Kind.LISTENING:
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
        case _:
            fields = struct.pack("<I", feed.number(1)) + parcel(kind, feed)
    return (bytes([kind]) + fields)[:MAX_PAYLOAD]


def parcel(kind: AnyKind, feed: Feed) -> bytes:
    """What comes after the number in a parcel."""
    match kind:
        case ParcelKind.ASSOCIATED:
            return bytes([feed.below(9)])
        case ParcelKind.DATAGRAM:
            return address(feed) + bytes(feed.number(2))
        case ParcelKind.ASK | ParcelKind.TELL:
            return bytes([feed.below(4)]) + feed.blob()
        case _:
            return b""


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


def says(kind: AnyKind, stream: int, *fields: int) -> bytes:
    return bytes([0, KINDS.index(kind), stream, *fields])


def sends(stream: int, size: int) -> bytes:
    return bytes([4, stream]) + size.to_bytes(2, "little")


def does(action: int, stream: int, size: int = 0) -> bytes:
    return bytes([9, action, stream]) + size.to_bytes(2, "little")


def repeats(kind: AnyKind, stream: int, *fields: int) -> bytes:
    return bytes([12, KINDS.index(kind), stream, *fields, 255])


WRITES = bytes([10, 255, 255])
CONSUMES, GOODBYES, LISTENS, POSTS, TELLS_PLACE = 6, 7, 8, 9, 10
HOST, GUEST = bytes([1, 0]), bytes([0, 0])
#: The host's first stream: as says() and sends() count, and as does() counts.
THEIRS, ITS = STREAMS + 1, STREAMS

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
    # The host opens, and is accepted or refused; the guest is asked.
    HOST + does(0, 0) + WRITES + says(Kind.OPEN_RESULT, THEIRS, 0, 0) + sends(THEIRS, 9) + WRITES,
    HOST + does(0, 0) + says(Kind.OPEN_RESULT, THEIRS, 0, 5) + does(5, ITS, 1) + WRITES,
    GUEST + says(Kind.OPEN, THEIRS, 2) + does(1, ITS) + sends(THEIRS, 2000) + does(3, ITS, 9),
    # A listen: the place and the answer, at both sides; a close while it waits.
    GUEST + does(LISTENS, 0) + says(Kind.LISTENING, 0, 2) + says(Kind.OPEN_RESULT, 0, 0, 0),
    HOST + says(Kind.LISTEN, 0, 2) + does(TELLS_PLACE, 0) + does(1, 0) + WRITES,
    HOST + says(Kind.LISTEN, 0, 2) + does(TELLS_PLACE, 0) + says(Kind.CLOSE, 0, 1) + does(5, 0, 1),
    # Parcels of all kinds, floods of them, and time that makes those late that wait.
    HOST
    + says(ParcelKind.ASSOCIATE, 0, 1)
    + says(ParcelKind.DATAGRAM, 0, 1, 2, 99, 0)
    + says(ParcelKind.ASK, 0, 1, 3, 2, 9, 9)
    + says(ParcelKind.DISSOCIATE, 0, 1)
    + WRITES,
    GUEST + does(POSTS, 1, 1400) + does(POSTS, 1, 65535) + bytes([11, 200]) + WRITES,
    HOST + repeats(ParcelKind.ASSOCIATE, 0, 1) + repeats(ParcelKind.ASK, 0, 1, 3, 0) + WRITES,
    HOST + repeats(ParcelKind.DATAGRAM, 0, 1, 2, 0, 16) + WRITES,
    # What ends the session: data before the answer, somebody who came nowhere, an unknown kind;
    # after the last the guest meets a host that can do nothing, and asks for it all the same.
    HOST + does(0, 0) + sends(THEIRS, 9),
    GUEST + does(LISTENS, 0) + WRITES + says(Kind.OPEN_RESULT, 0, 0, 0),
    GUEST + bytes([3, 1, 0x7F, 1, 15]) + does(LISTENS, 0) + WRITES,
    HOST + bytes([3, 1, 0x7F, 1, 15]) + does(0, 0) + WRITES,
]
