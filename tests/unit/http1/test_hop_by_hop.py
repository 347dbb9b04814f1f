"""What changes in a head on its way through the proxy, and what doesn't."""

from __future__ import annotations

import pytest

from tests.unit.http1.pieces import read_request, read_response
from vsocks.http1.head import Headers, RequestHead, ResponseHead
from vsocks.http1.hop_by_hop import (
    client_stays,
    encode_request,
    encode_response,
    max_forwards,
    server_stays,
)
from vsocks.http1.uri import parse_resource

pytestmark = pytest.mark.unit

VIA = ("Via", "1.1 vsocks")


def to_server(
    *headers: tuple[str, str],
    method: str = "GET",
    uri: str = "http://h/",
    version: tuple[int, int] = (1, 1),
) -> RequestHead:
    head = RequestHead(method, uri, version, headers)
    passed, rest = read_request([encode_request(head, parse_resource(uri))])
    assert passed
    assert not rest
    assert passed.version == (1, 1)
    return passed


def to_client(
    *headers: tuple[str, str],
    status: int = 200,
    method: str = "GET",
    version: tuple[int, int] = (1, 1),
    close: bool = False,
    unchunked: bool = False,
) -> ResponseHead:
    head = ResponseHead(version, status, "Fine", headers)
    data = encode_response(head, method, close=close, unchunked=unchunked)
    passed, rest = read_response([data])
    assert passed
    assert not rest
    assert (passed.version, passed.status, passed.reason) == ((1, 1), status, "Fine")
    return passed


@pytest.mark.parametrize(
    ("method", "uri", "target"),
    [
        ("GET", "http://h/a?b", "/a?b"),
        ("GET", "http://h", "/"),
        ("GET", "http://h?b", "/?b"),
        ("OPTIONS", "http://h", "*"),
        ("OPTIONS", "http://h/", "/"),
        ("OPTIONS", "http://h?b", "/?b"),
    ],
)
def test_the_server_gets_the_path_alone(method: str, uri: str, target: str) -> None:
    assert to_server(method=method, uri=uri).target == target


def test_what_is_for_the_server_arrives_in_order_and_as_it_was_spelled() -> None:
    own = [("X-b", "1"), ("ACCEPT", "*/*"), ("x-B", "2"), ("Cookie", "ä=\xff")]
    assert to_server(*own).headers == (("Host", "h"), *own, VIA)


def test_the_uri_says_the_host_whatever_the_header_says() -> None:
    sent = to_server(("Host", "other"), uri="http://u:p@h:81/")
    assert sent.headers == (("Host", "h:81"), VIA)


@pytest.mark.parametrize(
    "header",
    [
        ("Connection", "keep-alive"),
        ("Proxy-Connection", "keep-alive"),
        ("Keep-Alive", "timeout=5"),
        ("TE", "trailers"),
        ("Proxy-Authorization", "Basic eDp5"),
        ("Proxy-Authenticate", "Basic"),
        ("Upgrade", "websocket"),
    ],
)
def test_what_is_for_one_hop_goes_no_further(header: tuple[str, str]) -> None:
    assert to_server(header).headers == (("Host", "h"), VIA)
    assert to_client(header).headers == (VIA,)


def test_what_connection_names_goes_no_further() -> None:
    headers: Headers = (("X", "1"), ("Y", "2"), ("Connection", "x, close"), ("connection", "Z"))
    assert to_server(*headers, ("z", "3")).headers == (
        ("Host", "h"),
        ("Y", "2"),
        VIA,
        ("Connection", "close"),
    )
    assert to_client(*headers, ("z", "3")).headers == (("Y", "2"), VIA)


@pytest.mark.parametrize("framing", [("Content-Length", "5"), ("Transfer-Encoding", "chunked")])
def test_connection_can_take_away_neither_host_nor_framing(framing: tuple[str, str]) -> None:
    named = ("Connection", "Host, Content-Length, Transfer-Encoding")
    assert to_server(framing, named, method="POST").headers == (("Host", "h"), framing, VIA)
    assert to_client(framing, named).headers == (framing, VIA)


def test_the_framing_is_written_from_what_was_understood() -> None:
    assert to_server(("content-length", "5, 5"), ("Content-Length", "5")).headers == (
        ("Host", "h"),
        ("Content-Length", "5"),
        VIA,
    )
    assert to_client(("Content-Length", "5"), ("Transfer-Encoding", "CHUNKED")).headers == (
        ("Transfer-Encoding", "chunked"),
        VIA,
    )
    assert to_client(("Transfer-Encoding", "gzip"), ("Content-Length", "5")).headers == (
        ("Transfer-Encoding", "gzip"),
        VIA,
    )
    assert to_client(("Transfer-Encoding", "identity"), ("Content-Length", "5")).headers == (
        ("Content-Length", "5"),
        VIA,
    )


def test_a_response_that_is_no_longer_chunked_does_not_say_so() -> None:
    headers = ("Transfer-Encoding", "chunked"), ("Trailer", "X")
    assert to_client(*headers, unchunked=True, close=True).headers == (VIA, ("Connection", "close"))
    assert to_client(*headers).headers == (("Trailer", "X"), headers[0], VIA)


def test_head_and_304_keep_the_length_of_a_body_that_is_not_there() -> None:
    length = ("Content-Length", "5")
    assert to_client(length, method="HEAD").headers == (length, VIA)
    assert to_client(length, status=304).headers == (length, VIA)
    assert to_client(length, status=204).headers == (VIA,)
    assert to_client(length, status=103).headers == (VIA,)
    assert to_client(("Transfer-Encoding", "chunked"), method="HEAD").headers == (VIA,)


def test_each_hop_is_added_to_via_with_the_version_that_it_received() -> None:
    before = ("Via", "1.0 other")
    assert to_server(before, version=(1, 0)).headers == (
        ("Host", "h"),
        before,
        ("Via", "1.0 vsocks"),
        ("Connection", "close"),
    )
    assert to_client(before, version=(1, 0)).headers == (before, ("Via", "1.0 vsocks"))


def test_an_upgrade_is_passed_on_both_ways() -> None:
    asked = ("Upgrade", "websocket")
    sent = to_server(("Connection", "Upgrade, X"), asked, ("X", "1"), ("Sec-WebSocket-Key", "k"))
    assert sent.headers == (
        ("Host", "h"),
        ("Sec-WebSocket-Key", "k"),
        asked,
        VIA,
        ("Connection", "upgrade"),
    )
    answer = to_client(("Connection", "upgrade"), asked, ("Sec-WebSocket-Accept", "a"), status=101)
    assert answer.headers == (
        ("Sec-WebSocket-Accept", "a"),
        asked,
        VIA,
        ("Connection", "upgrade"),
    )
    assert to_client(asked, status=426).headers == (asked, VIA, ("Connection", "upgrade"))


def test_an_upgrade_to_h2c_ends_here_with_its_settings() -> None:
    """One without the other is an error to servers, and both are this connection's alone."""
    options = ("Connection", "Upgrade, HTTP2-Settings")
    settings = ("HTTP2-Settings", "AAMAAABkAAQAAP__")
    sent = to_server(options, ("Upgrade", "h2c"), settings)
    assert sent.headers == (("Host", "h"), VIA)
    assert to_server(("Upgrade", "h2c"), settings).headers == (("Host", "h"), VIA)
    both = to_server(options, ("Upgrade", "h2c, websocket"), settings)
    assert both.headers == (
        ("Host", "h"),
        ("Upgrade", "websocket"),
        VIA,
        ("Connection", "upgrade"),
    )


def test_a_client_of_http_1_0_can_neither_upgrade_nor_wait_for_100() -> None:
    headers = ("Connection", "upgrade"), ("Upgrade", "x"), ("Expect", "100-continue")
    assert to_server(*headers, version=(1, 0)).headers == (
        ("Host", "h"),
        ("Via", "1.0 vsocks"),
        ("Connection", "close"),
    )
    assert ("Expect", "100-continue") in to_server(*headers).headers


@pytest.mark.parametrize(("sent", "passed"), [("5", "4"), ("1", "0"), ("x", "x"), ("-1", "-1")])
def test_max_forwards_is_counted_down(sent: str, passed: str) -> None:
    for method in "OPTIONS", "TRACE":
        assert to_server(("Max-Forwards", sent), method=method).values("max-forwards") == [passed]
    assert to_server(("Max-Forwards", sent)).values("max-forwards") == [sent]


def test_max_forwards_is_for_two_methods_only() -> None:
    head = (("Max-Forwards", "0"),)
    assert max_forwards(RequestHead("TRACE", "http://h/", (1, 1), head)) == 0
    assert max_forwards(RequestHead("GET", "http://h/", (1, 1), head)) is None
    assert max_forwards(RequestHead("TRACE", "http://h/", (1, 1))) is None


@pytest.mark.parametrize(
    ("version", "headers", "stays"),
    [
        ((1, 1), [], True),
        ((1, 1), [("Connection", "keep-alive")], True),
        ((1, 1), [("Connection", "x, Close")], False),
        ((1, 1), [("Proxy-Connection", "close")], False),
        ((1, 0), [], False),
        ((1, 0), [("Connection", "keep-alive")], False),
        ((1, 0), [("Proxy-Connection", "keep-alive")], False),
    ],
)
def test_whether_a_client_stays(
    version: tuple[int, int], headers: list[tuple[str, str]], stays: bool
) -> None:
    assert client_stays(RequestHead("GET", "/", version, tuple(headers))) is stays


@pytest.mark.parametrize(
    ("version", "headers", "stays"),
    [
        ((1, 1), [], True),
        ((1, 1), [("Connection", "close")], False),
        ((1, 0), [], False),
        ((1, 0), [("Connection", "Keep-Alive")], True),
        ((1, 1), [("Transfer-Encoding", "chunked"), ("Content-Length", "5")], False),
        ((1, 0), [("Transfer-Encoding", "chunked"), ("Connection", "keep-alive")], False),
    ],
)
def test_whether_a_server_stays(
    version: tuple[int, int], headers: list[tuple[str, str]], stays: bool
) -> None:
    assert server_stays(ResponseHead(version, 200, "", tuple(headers))) is stays
