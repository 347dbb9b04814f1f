"""The HTTP dialect: what a client asks for, who may, and any bytes in any split."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.http1.pieces import CUTS, cut, damaged, head_bytes, trickle
from tests.unit.proxy.http_clients import (
    CONNECT,
    GET,
    PAGE,
    USERS,
    ask,
    basic,
    status_of,
    with_header,
)
from vsocks.address import Target
from vsocks.http1.exchange import Exchange
from vsocks.http1.head import RequestHead
from vsocks.proxy.http import HttpDialect
from vsocks.proxy.requests import Connect, Forward, Refuse, ShowPage
from vsocks.proxy.users import Users
from vsocks.reply import Reply

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    "pieces", [[CONNECT + b"\x16\x03\x01"], trickle(CONNECT + b"\x16\x03\x01")]
)
def test_connect_is_answered_once_the_target_is(pieces: list[bytes]) -> None:
    dialect = HttpDialect()
    events = [event for piece in pieces for event in dialect.receive(piece)]
    assert events == [Connect(Target("example.com", 443))]
    assert not dialect.is_answered
    assert dialect.leftover == b"\x16\x03\x01"
    assert dialect.reply(Reply.SUCCEEDED) == b"HTTP/1.1 200 Connection established\r\n\r\n"
    assert dialect.is_answered
    assert dialect.leftover == b"\x16\x03\x01"
    with pytest.raises(RuntimeError):
        dialect.reply(Reply.SUCCEEDED)


def test_connect_by_a_client_of_http_1_0_without_host_is_understood() -> None:
    assert ask(b"CONNECT [::1]:22 HTTP/1.0\r\n\r\n") == Connect(Target("::1", 22))


@pytest.mark.parametrize(
    "data",
    [
        CONNECT.replace(b":443 ", b" "),
        CONNECT.replace(b":443 ", b":0 "),
        CONNECT.replace(b"example.com:443 ", b"http://example.com:443/ "),
        CONNECT.replace(b"example.com:443 ", b"/ "),
        CONNECT.replace(b"example.com:443 ", b"a@example.com:443 "),
        with_header(CONNECT, "Content-Length", "5"),
        with_header(CONNECT, "Transfer-Encoding", "chunked"),
        GET.replace(b"http://example.com/", b"example.com"),
        GET.replace(b"http://example.com/", b"https://example.com/"),
        GET.replace(b"http://example.com/", b"*x"),
        with_header(GET, "Host", "other"),
        b"GET http://example.com/\r\n",
        b"GARBAGE\r\n",
        b"a" * 20 + b"\n",
    ],
)
def test_what_makes_no_sense_is_refused(data: bytes) -> None:
    assert status_of(ask(data)) == 400


def test_connect_may_say_that_it_has_no_body() -> None:
    """Some clients of Windows do."""
    assert isinstance(ask(with_header(CONNECT, "Content-Length", "0")), Connect)


def test_a_head_that_is_too_large_is_refused() -> None:
    dialect = HttpDialect(max_head_size=1000)
    [event] = dialect.receive(GET[:-2] + b"Cookie: " + b"a" * 2000)
    assert status_of(event) == 431


def test_other_versions_and_schemes_are_refused_by_what_they_are() -> None:
    assert status_of(ask(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")) == 505
    assert status_of(ask(GET.replace(b"http:", b"ftp:"))) == 501


def test_a_request_for_a_server_is_to_be_forwarded() -> None:
    dialect = HttpDialect()
    [event] = dialect.receive(GET + b"more")
    assert dialect.receive(b" and more") == []
    assert event == Forward(
        RequestHead("GET", "http://example.com/", (1, 1), (("Host", "example.com"),))
    )
    assert dialect.leftover == b"more and more"
    assert dialect.reply(Reply.SUCCEEDED) == b""
    assert dialect.is_answered


@pytest.mark.parametrize("target", [b"/", b"/proxy.pac", b"/favicon.ico", b"//x", b"*"])
def test_a_request_for_a_path_is_for_the_proxy_itself(target: bytes) -> None:
    event = ask(PAGE.replace(b"/proxy.pac", target))
    assert isinstance(event, ShowPage)
    assert event.head.target == target.decode()


@pytest.mark.parametrize(
    ("reply", "status"),
    [
        (Reply.GENERAL_FAILURE, 502),
        (Reply.NOT_ALLOWED, 403),
        (Reply.NETWORK_UNREACHABLE, 502),
        (Reply.HOST_UNREACHABLE, 502),
        (Reply.CONNECTION_REFUSED, 502),
        (Reply.TTL_EXPIRED, 504),
        (0x77, 502),
    ],
)
@pytest.mark.parametrize("data", [GET, CONNECT])
def test_a_failed_connect_is_told_by_a_page_with_the_reason(
    data: bytes, reply: int, status: int
) -> None:
    dialect = HttpDialect()
    dialect.receive(data)
    page = dialect.reply(reply, reason="the <b>reason</b>")
    assert status_of(Refuse(page, "-")) == status
    assert b"the &lt;b&gt;reason&lt;/b&gt;" in page
    assert dialect.is_answered


def test_a_busy_proxy_says_so() -> None:
    dialect = HttpDialect()
    with pytest.raises(RuntimeError):
        dialect.busy("too early")
    dialect.receive(GET)
    page = dialect.busy("all 64 connections are in use")
    assert status_of(Refuse(page, "-")) == 503
    assert b"all 64 connections" in page
    assert dialect.is_answered


def test_head_gets_the_head_of_a_page_only() -> None:
    dialect = HttpDialect()
    dialect.receive(GET.replace(b"GET", b"HEAD"))
    page = dialect.reply(Reply.NOT_ALLOWED)
    assert page.startswith(b"HTTP/1.1 403 ")
    assert page.endswith(b"\r\n\r\n")
    refused = ask(GET.replace(b"GET", b"HEAD"), USERS)
    assert isinstance(refused, Refuse)
    assert refused.data.endswith(b"\r\n\r\n")


def test_a_request_that_may_go_no_further_is_answered_here() -> None:
    secret = (("Cookie", "c"), ("Authorization", "a"), ("Proxy-Authorization", "p"))
    data = head_bytes(
        "TRACE http://h/ HTTP/1.1", ("Host", "h"), ("Max-Forwards", "0"), *secret, ("X", "\xe9")
    )
    event = ask(data)
    assert status_of(event) == 200
    assert isinstance(event, Refuse)
    traced = b"TRACE http://h/ HTTP/1.1\r\nHost: h\r\nMax-Forwards: 0\r\nX: \xe9\r\n\r\n"
    assert event.data.endswith(b"\r\n\r\n" + traced)
    assert b"Content-Type: message/http" in event.data
    assert status_of(ask(data.replace(b"TRACE", b"OPTIONS"))) == 200
    assert isinstance(ask(data.replace(b": 0", b": 1")), Forward)
    assert isinstance(ask(data.replace(b"TRACE", b"GET")), Forward)


def test_nothing_is_heard_or_kept_after_a_refusal() -> None:
    dialect = HttpDialect()
    assert len(dialect.receive(b"GARBAGE\r\n" + GET)) == 1
    assert dialect.receive(GET) == []
    assert dialect.leftover == b""
    with pytest.raises(RuntimeError):
        dialect.reply(Reply.SUCCEEDED)


PROPER = st.sampled_from(
    [
        CONNECT,
        GET,
        PAGE,
        with_header(GET, "Content-Length", "5"),
        with_header(GET, "Transfer-Encoding", "chunked"),
        with_header(CONNECT, "Proxy-Authorization", basic(b"alice:s:cret")),
        with_header(GET.replace(b"GET", b"TRACE"), "Max-Forwards", "0"),
    ]
)
ANY = st.tuples(PROPER | damaged(PROPER) | st.binary(max_size=80), st.binary(max_size=20)).map(
    b"".join
)


@given(ANY, CUTS, st.booleans())
def test_any_split_of_any_bytes_gives_the_same(data: bytes, cuts: list[float], known: bool) -> None:
    users = USERS if known else Users()
    whole, parts = HttpDialect(users, 200), HttpDialect(users, 200)
    expected = whole.receive(data)
    assert [event for piece in cut(data, cuts) for event in parts.receive(piece)] == expected
    assert parts.leftover == whole.leftover
    assert len(expected) <= 1
    for event in expected:
        if isinstance(event, Refuse):
            status_of(event)
        elif isinstance(event, Forward):
            assert Exchange(event.head).target


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"GET http://h/ HTTP/1.1\r\nProxy-Authorization : Basic sesame\r\n\r\n",
        b"GET http://h/ HTTP/1.1\r\nProxy-Authorization:\r\n Basic sesame\r\n\r\n",
        b"GET http://h/ HTTP/1.1\r\nProxy-Authorization: Basic sesame\0\r\n\r\n",
        b"GET http://h/ HTTP/1.1\r\nProxy-Authorization: Basic sesame\n\r\n",
        b"GET http://h/ HTTP/1.1\r\nProxy-Authorization Basic sesame\r\n\r\n",
        b"GET http://h/ HTTP/1.1\r\n sesame: \r\n\r\n",
        b"GET http://alice:open sesame@h/ HTTP/1.1\r\n\r\n",
        b"GET http://alice:sesame|@h/ HTTP/1.1\r\n\r\n",
        b"GET http://alice:sesame@h:x/ HTTP/1.1\r\n\r\n",
        b"GET alice:sesame@h HTTP/1.1\r\n\r\n",
        b"CONNECT alice:sesame@h HTTP/1.1\r\n\r\n",
        b"CONNECT alice:sesame@h:x HTTP/1.1\r\n\r\n",
        b"CONNECT alice:sesame@h:0 HTTP/1.1\r\n\r\n",
        b"CONNECT alice:sesame@:80 HTTP/1.1\r\n\r\n",
    ],
)
def test_what_may_be_a_password_is_shown_nowhere(request_bytes: bytes) -> None:
    [event] = HttpDialect().receive(request_bytes)
    assert isinstance(event, Refuse)
    assert "sesame" not in event.reason
    assert b"sesame" not in event.data
