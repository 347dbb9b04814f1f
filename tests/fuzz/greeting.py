"""Any client of the guest's port, in any pieces."""

from __future__ import annotations

from typing import cast

from tests.fuzz.conversation import begin, is_requested, talk
from tests.fuzz.socks_4 import SEEDS as SOCKS4_SEEDS
from tests.fuzz.socks_5 import SEEDS as SOCKS5_SEEDS
from vsocks.proxy.detect import Detector
from vsocks.proxy.requests import Connect, Refuse
from vsocks.reply import Reply

MAX_HEAD = 512
BY_FIRST_BYTE = {4: "SOCKS4", 5: "SOCKS5", 13: "HTTP"}


def run(data: bytes) -> None:
    users, parts = begin(data)
    said = b"".join(parts)
    events, dialect = talk(lambda: Detector(users, MAX_HEAD), parts)
    greeting = cast("Detector", dialect)
    if not said:
        assert (events, greeting.protocol) == ([], "")
        return
    assert greeting.protocol == protocol(said[0])
    assert (greeting.dialect is None) == (greeting.protocol == "")
    if not greeting.protocol:
        [refusal] = events
        assert isinstance(refusal, Refuse)
        assert (refusal.data, refusal.reason[-4:]) == (b"", f"{said[0]:#04x}")
    if is_requested(events) and isinstance(events[-1], Connect):
        assert greeting.reply(Reply.GENERAL_FAILURE)
        assert greeting.is_answered


def protocol(first: int) -> str:
    return "HTTP" if bytes((first,)).isalpha() else BY_FIRST_BYTE.get(first, "")


SEEDS = [
    *SOCKS5_SEEDS,
    *SOCKS4_SEEDS,
    b"\x00\x00" + b"CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n",
    b"\x00\x02\x01\x04" + b"GET http://example.com/ HTTP/1.1\r\nHost: example.com\r\n\r\n",
    b"\x01\x00" + b"GET http://example.com/ HTTP/1.1\r\nHost: example.com\r\n\r\n",
    b"\x00\x00" + b"\x16\x03\x01\x02\x00\x01\x00",
]
