"""Any client that speaks SOCKS4 or 4a, in any pieces."""

from __future__ import annotations

from tests.fuzz.conversation import begin, finish, holds_little, is_requested, talk
from vsocks.proxy.requests import Refuse
from vsocks.proxy.socks4 import LONGEST_MESSAGE, Socks4


def run(data: bytes) -> None:
    users, parts = begin(data)
    events, socks = talk(lambda: Socks4(users), parts)
    holds_little(lambda: Socks4(users), parts, LONGEST_MESSAGE)
    assert len(events) <= 1
    if is_requested(events):
        assert not users.required
        granted = b"\x00\x5a\x9c\x40\xc6\x33\x64\x07"
        assert all(reply == granted for reply in finish(socks, events))
    for event in events:
        if isinstance(event, Refuse) and event.data:
            assert len(event.data) == 8
            assert event.data[:2] in (b"\x00\x5b", b"\x00\x5d")


NOBODY, BOB = b"\x00", b"\x01"
SEEDS = [
    NOBODY + b"\x00" + b"\x04\x01\x00\x50\x7f\x00\x00\x01bob\x00" + b"GET /",
    NOBODY + b"\x02\x01\x04" + b"\x04\x02\x00\x50\x7f\x00\x00\x01\x00",
    NOBODY + b"\x00" + b"\x04\x01\x00\x50\x00\x00\x00\x01bob\x00example.com\x00" + b"GET /",
    NOBODY + b"\x00" + b"\x04\x01\x00\x50\x00\x00\x00\x01\x00\x00",
    NOBODY + b"\x00" + b"\x04\x01\x00\x50\x00\x00\x00\x01\x00" + b"n" * 256,
    NOBODY + b"\x00" + b"\x04\x03\x00\x50\x7f\x00\x00\x01" + b"u" * 256,
    NOBODY + b"\x00" + b"\x05\x01\x00",
    BOB + b"\x00" + b"\x04\x01\x00\x50\x7f\x00\x00\x01bob\x00",
]
