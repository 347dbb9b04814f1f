"""Which protocol a client speaks: every one is known by its first byte, whatever follows."""

from __future__ import annotations

from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.proxy.dialects import (
    BOUND,
    NAMED,
    check_any_split,
    cut,
    hear,
    places,
    ports,
    replies,
    requested,
    users,
)
from vsocks.address import Target, encode_address
from vsocks.proxy.detect import Detector
from vsocks.proxy.http import HttpDialect
from vsocks.proxy.requests import Bind, Connect, Dialect, Forward, Refuse, Send, ShowPage
from vsocks.proxy.socks4 import Socks4
from vsocks.proxy.socks5 import Socks5
from vsocks.proxy.users import NO_USERS, Users
from vsocks.reply import Reply

pytestmark = pytest.mark.unit

MAX_HEAD = 4096


def greeting(who: Users = NO_USERS) -> Detector:
    return Detector(who, MAX_HEAD)


@pytest.mark.parametrize(
    ("first", "protocol", "dialect"),
    [
        (b"\x05", "SOCKS5", Socks5),
        (b"\x04", "SOCKS4", Socks4),
        *((letter, "HTTP", HttpDialect) for letter in (b"A", b"G", b"Z", b"a", b"g", b"z", b"\r")),
    ],
)
def test_the_first_byte_tells_the_protocol(
    first: bytes, protocol: str, dialect: type[Dialect]
) -> None:
    client = greeting()
    assert (client.protocol, client.dialect) == ("", None)
    assert client.receive(b"") == []
    assert (client.protocol, client.dialect) == ("", None)
    assert client.receive(first) == []
    assert client.protocol == protocol
    assert isinstance(client.dialect, dialect)


def test_an_empty_line_may_stand_before_a_request() -> None:
    """RFC 9112, section 2.2: some clients end a body by one too many."""
    [event] = greeting().receive(b"\r\nCONNECT example.com:443 HTTP/1.1\r\n\r\n")
    assert event == Connect(Target("example.com", 443))


OTHERS = [byte for byte in range(256) if byte not in (4, 5, 13) and not bytes((byte,)).isalpha()]


@given(st.sampled_from(OTHERS))
def test_an_unknown_protocol_gets_no_answer(first: int) -> None:
    client = greeting()
    reason = f"the client speaks neither SOCKS nor HTTP: first byte {first:#04x}"
    assert client.receive(bytes((first,)) + b"\x05\x01\x00") == [Refuse(b"", reason)]
    assert client.receive(b"\x05\x01\x00") == []
    assert (client.protocol, client.dialect, client.leftover) == ("", None, b"")
    assert not client.is_answered
    with pytest.raises(RuntimeError):
        client.reply(Reply.SUCCEEDED)


def test_replies_are_those_of_the_dialect() -> None:
    client = greeting()
    with pytest.raises(RuntimeError):
        client.reply(Reply.SUCCEEDED)
    assert client.receive(b"\x04\x02\0\x50\xc0\0\x02\x01\0ahead") == [Bind(Target("192.0.2.1", 80))]
    assert client.leftover == b"ahead"
    assert client.reply(Reply.SUCCEEDED, BOUND)[:2] == b"\x00\x5a"
    assert not client.is_answered
    assert client.reply(Reply.SUCCEEDED, BOUND)[:2] == b"\x00\x5a"
    assert client.is_answered


def test_a_reason_reaches_protocols_that_have_words() -> None:
    client = greeting()
    client.receive(b"CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n")
    page = client.reply(Reply.CONNECTION_REFUSED, None, "nobody listens there")
    assert page.startswith(b"HTTP/1.1 502 ")
    assert b"nobody listens there" in page


def test_users_are_asked_for_in_every_protocol() -> None:
    [socks5] = greeting(NAMED).receive(b"\x05\x01\x00")
    [socks4] = greeting(NAMED).receive(b"\x04\x01\0\x50\xc0\0\x02\x01bob\0")
    [http] = greeting(NAMED).receive(b"CONNECT a.example:443 HTTP/1.1\r\nHost: a\r\n\r\n")
    assert isinstance(socks5, Refuse)
    assert socks5.data == b"\x05\xff"
    assert isinstance(socks4, Refuse)
    assert socks4.data[:2] == b"\x00\x5d"
    assert isinstance(http, Refuse)
    assert http.data.startswith(b"HTTP/1.1 407 ")


def test_the_bound_on_heads_is_that_of_http() -> None:
    client = Detector(NO_USERS, 100)
    [refusal] = client.receive(b"GET http://example.com/" + b"a" * 100 + b" HTTP/1.1\r\n\r\n")
    assert isinstance(refusal, Refuse)
    assert refusal.data.startswith(b"HTTP/1.1 4")


class Said(NamedTuple):
    """What a client says that speaks a protocol well, and what it wants."""

    protocol: str
    data: bytes
    target: Target


names = st.from_regex(r"[a-z][a-z0-9-]{0,60}[a-z]\.example", fullmatch=True)
ipv4s = st.ip_addresses(v=4).map(str)
reachable = st.builds(Target, names | ipv4s, st.integers(1, 0xFFFF))
methods = st.binary(max_size=20).map(lambda others: others + b"\x00")


def socks5(offered: bytes, target: Target) -> Said:
    request = b"\x05\x01\x00" + encode_address(target)
    return Said("SOCKS5", bytes((5, len(offered))) + offered + request, target)


def socks4(user: str, target: Target) -> Said:
    port = target.port.to_bytes(2, "big")
    ip = target.ip
    address, name = (ip.packed, b"") if ip else (b"\0\0\0\x01", target.host.encode() + b"\0")
    return Said("SOCKS4", b"\x04\x01" + port + address + user.encode() + b"\0" + name, target)


def http(header: str, target: Target) -> Said:
    head = f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\nX-Header: {header}\r\n\r\n"
    return Said("HTTP", head.encode(), target)


said = (
    st.builds(socks5, methods, reachable)
    | st.builds(
        socks4,
        st.text(st.characters(codec="ascii", exclude_characters="\0"), max_size=255),
        # 0.0.0.x is no address in SOCKS4a.
        reachable.filter(lambda target: not target.host.startswith("0.0.0.")),
    )
    | st.builds(http, st.from_regex(r"[a-zA-Z0-9]{0,50}", fullmatch=True), reachable)
)


@given(said, st.binary(max_size=50), places)
def test_a_client_is_never_mistaken_for_another(
    client: Said, ahead: bytes, cuts: list[int]
) -> None:
    listener = greeting()
    events = hear(listener, cut(client.data + ahead, cuts))
    assert listener.protocol == client.protocol
    assert events[-1] == Connect(client.target)
    assert all(isinstance(event, Send) for event in events[:-1])
    assert listener.leftover == ahead


beginnings = st.sampled_from(
    [b"", b"\x05\x01\x00\x05\x01\x00", b"\x04\x01\x00\x50", b"GET http://"]
)


@given(
    st.builds(lambda first, rest: first + rest, beginnings, st.binary(max_size=600))
    | st.builds(lambda client, end: client.data[:end] + b"\xff" * 3, said, ports),
    users,
    places,
    replies,
)
def test_any_split_of_any_bytes_gives_the_same(
    data: bytes, who: Users, cuts: list[int], codes: list[Reply]
) -> None:
    check_any_split(lambda: greeting(who), data, cuts, codes)


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"GET http://example.com/ HTTP/1.1\r\nHost: example.com\r\n\r\n", Forward),
        (b"GET /proxy.pac HTTP/1.1\r\nHost: 127.0.0.1:1080\r\n\r\n", ShowPage),
    ],
)
def test_other_requests_of_http_are_passed_on(head: bytes, kind: type[Forward | ShowPage]) -> None:
    client = greeting()
    events = client.receive(head)
    assert requested(events)
    assert isinstance(events[0], kind)
