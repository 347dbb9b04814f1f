"""Any bytes, in any pieces, before a session and inside of one, in both roles."""

from __future__ import annotations

from tests.fuzz.arena import ACTIONS, TARGET, THEIRS, Arena
from tests.fuzz.feed import Feed
from vsocks.address import encode_address
from vsocks.protocol.endpoint import Wire
from vsocks.protocol.frames import HEADER
from vsocks.protocol.handshake import HELLO_SIZE, PROBE, Hello, Offer, Role

WIRES = list(Wire)
#: Streams that are open in a session which stands at the beginning.
OPENED = 2


def run(data: bytes) -> None:
    feed = Feed(data)
    arena = Arena(Role(feed.below(2)), WIRES[feed.below(3)])
    if feed.below(2):
        arena.shake_hands()
        for action in range(OPENED):
            arena.act(0, action, 0)
    while feed:
        match feed.below(16):
            case 0:
                arena.write(feed.number(2))
            case 1:
                arena.wait(feed.number(1) / 8)
            case 2:
                arena.act(feed.below(ACTIONS), feed.below(4), feed.number(2))
            case 3:
                arena.deliver(feed.blob() * (feed.number(2) % 4096))
            case _:
                arena.deliver(feed.blob())


def pieces(head: bytes, *data: bytes) -> bytes:
    """The input that begins with the choices of ``head`` and delivers some pieces."""
    return head + b"".join(bytes([15, len(piece)]) + piece for piece in data)


def _seeds() -> list[bytes]:
    request = encode_address(TARGET)
    packet = HEADER.pack(0, len(request)) + request
    refusal = HEADER.pack(63, 0)
    seeds = []
    for role in Role:
        hello = Hello(Role(1 - role), THEIRS, 1, Offer()).encode()
        assert len(hello) == HELLO_SIZE
        for established in range(2):
            head = bytes([role, 0, established])
            seeds += [pieces(head, hello), pieces(head, hello[:20], hello[20:], hello)]
            seeds += [pieces(head, packet, HEADER.pack(0, 3) + b"abc", HEADER.pack(0, 0))]
            seeds += [pieces(head, refusal, PROBE), pieces(head, bytes(250), hello)]
            seeds.append(head + bytes([3, 99]) + bytes(99) + bytes([255, 15]))
    return seeds


SEEDS = _seeds()
