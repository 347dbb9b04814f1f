"""Any client of the guest's SOCKS port, in any pieces."""

from __future__ import annotations

from tests.fuzz.feed import Feed
from vsocks.address import encode_address
from vsocks.proxy.requests import Connect, Event, Refuse, Send
from vsocks.proxy.socks5 import Handshake
from vsocks.reply import Reply

#: The longest message of a client, as the class promises.
LONGEST = 262


def run(data: bytes) -> None:
    feed = Feed(data)
    sizes = [1 + feed.below(40) for _ in range(feed.below(8))]
    said = feed.take(len(data))
    in_pieces, whole = Handshake(), Handshake()
    events = serve(in_pieces, pieces(said, sizes))
    assert events == serve(whole, [said]), "how the bytes were cut makes a difference"
    check(events)
    if events and isinstance(events[-1], Connect):
        assert in_pieces.leftover == whole.leftover
        assert said.endswith(whole.leftover)
        assert encode_address(events[-1].target)
        assert whole.reply(Reply.SUCCEEDED, None)[0] == 5
    else:
        assert not whole.leftover


def pieces(data: bytes, sizes: list[int]) -> list[bytes]:
    parts = []
    for size in sizes:
        parts.append(data[:size])
        data = data[size:]
    return [*parts, data]


def serve(handshake: Handshake, parts: list[bytes]) -> list[Event]:
    events: list[Event] = []
    for part in parts:
        events += handshake.receive(part)
        if not any(isinstance(event, Connect) for event in events):
            assert len(handshake._buffer) <= LONGEST
    return events


def check(events: list[Event]) -> None:
    """A greeting is answered at most once, and at most one thing follows."""
    kinds = [type(event) for event in events]
    assert kinds in ([], [Send], [Refuse], [Send, Connect], [Send, Refuse])
    for event in events:
        if isinstance(event, Refuse):
            assert event.reason.isprintable()


SEEDS = [
    b"\x00" + b"\x05\x01\x00" + b"\x05\x01\x00\x03\x0bexample.com\x00\x50" + b"GET /",
    b"\x02\x01\x04" + b"\x05\x02\x00\x02" + b"\x05\x01\x00\x01\x7f\x00\x00\x01\x00\x50",
    b"\x00" + b"\x05\x01\x00" + b"\x05\x01\x00\x04" + bytes(15) + b"\x01\x00\x50",
    b"\x00" + b"\x05\x01\x02",
    b"\x00" + b"\x05\x01\x00" + b"\x05\x03\x00\x01\x7f\x00\x00\x01\x00\x50",
    b"\x00" + b"\x04\x01\x00\x50\x7f\x00\x00\x01\x00",
]
