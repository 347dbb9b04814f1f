"""Any client that speaks SOCKS5, in any pieces."""

from __future__ import annotations

from tests.fuzz.conversation import begin, finish, holds_little, is_requested, talk
from vsocks.proxy.requests import Send
from vsocks.proxy.socks5 import LONGEST_MESSAGE, Socks5


def run(data: bytes) -> None:
    users, parts = begin(data)
    events, socks = talk(lambda: Socks5(users), parts)
    holds_little(lambda: Socks5(users), parts, LONGEST_MESSAGE)
    sent = [event.data for event in events if isinstance(event, Send)]
    # At most one for the methods and one for the credentials, and then at most one thing follows.
    assert sent in ([], [b"\x05\x00"], [b"\x05\x02"], [b"\x05\x02", b"\x01\x00"])
    assert len(events) <= len(sent) + 1
    if is_requested(events):
        assert len(sent) == 2 or (sent == [b"\x05\x00"] and not users.required)
        assert all(reply.startswith(b"\x05\0\0\x01") for reply in finish(socks, events))


NOBODY, BOB = b"\x00", b"\x01"
NO_METHOD, PASSWORD = b"\x05\x01\x00", b"\x05\x02\x00\x02"
SEEDS = [
    NOBODY + b"\x00" + NO_METHOD + b"\x05\x01\x00\x03\x0bexample.com\x00\x50" + b"GET /",
    NOBODY + b"\x02\x01\x04" + PASSWORD + b"\x05\x02\x00\x01\x7f\x00\x00\x01\x00\x50",
    NOBODY + b"\x00" + NO_METHOD + b"\x05\x01\x00\x04" + bytes(15) + b"\x01\x00\x50",
    NOBODY + b"\x00" + NO_METHOD + b"\x05\x03\x00\x01\x7f\x00\x00\x01\x00\x50",
    NOBODY + b"\x00" + b"\x05\x01\x02" + b"\x01\x00\x00" + b"\x05\xf0\x00\x03\x01a\0\0",
    NOBODY + b"\x00" + NO_METHOD + b"\x05\xf1\x00\x01\x7f\x00\x00\x01\x00\x00",
    NOBODY + b"\x00" + b"\x04\x01\x00\x50\x7f\x00\x00\x01\x00",
    BOB + b"\x00" + NO_METHOD,
    BOB + b"\x00" + PASSWORD + b"\x01\x03bob\x07builder" + b"\x05\x01\x00\x03\x01a\0\x50" + b"GET",
    BOB + b"\x01\x04" + PASSWORD + b"\x01\x03bob\x05wrong",
]
