"""Requests that have been used to smuggle another one past a proxy: each is refused.

They go the whole way, through the dialect and the exchange.
"""

from __future__ import annotations

import pytest

from vsocks.http1.errors import HttpError
from vsocks.http1.exchange import Exchange
from vsocks.proxy.http import HttpDialect
from vsocks.proxy.pages import exchange_failure
from vsocks.proxy.requests import Forward, Refuse

pytestmark = pytest.mark.unit

SMUGGLED = b"GET http://h/admin HTTP/1.1\r\nHost: h\r\n\r\n"
CHUNKED = b"Transfer-Encoding: chunked"


def request(*headers: bytes, body: bytes = SMUGGLED, version: bytes = b"1.1") -> bytes:
    first_line = b"POST http://h/ HTTP/" + version
    return b"\r\n".join([first_line, b"Host: h", *headers, b"", body])


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param([b"Content-Length: 5", CHUNKED], id="CL.TE"),
        pytest.param([CHUNKED, b"Content-Length: 5"], id="TE.CL"),
        pytest.param([CHUNKED, b"Content-Length: 0"], id="TE.CL of nothing"),
        pytest.param([CHUNKED, CHUNKED], id="TE.TE"),
        pytest.param([CHUNKED, b"Transfer-Encoding: identity"], id="TE.TE of another"),
        pytest.param([CHUNKED, b"Transfer-Encoding:"], id="TE.TE of nothing"),
        pytest.param([b"Content-Length: 5", b"Content-Length: 6"], id="CL.CL"),
        pytest.param([b"Content-Length: 5, 6"], id="two lengths in a list"),
        pytest.param([b"Content-Length: 5", b"Content-Length: 05"], id="two spellings"),
        pytest.param([b"Content-Length: 5", b"content-length: 6"], id="CL.CL by case"),
        pytest.param([b"Content-Length: 5", b"Content-Length:"], id="CL and none"),
        pytest.param([b"Transfer-Encoding : chunked"], id="space before the colon"),
        pytest.param([b"Transfer-Encoding\t: chunked"], id="tab before the colon"),
        pytest.param([b"Transfer_Encoding: chunked", b"Transfer-Encoding: chunke"], id="lookalike"),
        pytest.param([b"Transfer-Encoding: chunked, identity"], id="chunked, identity"),
        pytest.param([b"Transfer-Encoding: identity, chunked"], id="identity, chunked"),
        pytest.param([b"Transfer-Encoding: chunked, chunked"], id="chunked twice"),
        pytest.param([b"Transfer-Encoding: gzip, chunked"], id="gzip, chunked"),
        pytest.param([b"Transfer-Encoding: identity"], id="identity"),
        pytest.param([b"Transfer-Encoding: xchunked"], id="xchunked"),
        pytest.param([b"Transfer-Encoding: chunked;q=1"], id="chunked with a parameter"),
        pytest.param([b'Transfer-Encoding: "chunked"'], id="chunked in quotes"),
        pytest.param([b"Transfer-Encoding: chunked,"], id="chunked and a comma"),
        pytest.param([b"Transfer-Encoding: \x0bchunked"], id="a vertical tab"),
        pytest.param([b"Transfer-Encoding: \xa0chunked"], id="a space of Latin-1"),
        pytest.param([b"Transfer-Encoding: chunked\x00"], id="NUL in the coding"),
        pytest.param([b"Transfer-Encoding:", b" chunked"], id="a folded coding"),
        pytest.param([b"X: y", b" Content-Length: 5"], id="a folded length"),
        pytest.param([b"X: y\rContent-Length: 5"], id="CR between headers"),
        pytest.param([b"X: y\nContent-Length: 5"], id="LF between headers"),
        pytest.param([b"X: y\x00", b"Content-Length: 5"], id="NUL"),
        pytest.param([b"Content-Length: -5"], id="a negative length"),
        pytest.param([b"Content-Length: +5"], id="plus"),
        pytest.param([b"Content-Length: 0x5"], id="hexadecimal"),
        pytest.param([b"Content-Length: 1_0"], id="underscore"),
        pytest.param([b"Content-Length: 5 5"], id="a space within"),
        pytest.param([b"Content-Length: 5.0"], id="a fraction"),
        pytest.param([b"Content-Length: \xb2"], id="a digit of Latin-1"),
        pytest.param([b"Content-Length: "], id="an empty length"),
        pytest.param([b"Content-Length: 9999999999999999999"], id="more than 63 bits"),
        pytest.param([b"Content-Length : 5"], id="space behind the name of the length"),
        pytest.param([b"Host: other"], id="a second Host"),
        pytest.param([b"Content-Length"], id="no colon"),
    ],
)
def test_a_head_that_can_be_read_in_two_ways_is_refused(headers: list[bytes]) -> None:
    dialect = HttpDialect()
    [event] = dialect.receive(request(*headers))
    assert isinstance(event, Refuse)
    assert event.data.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 501 "))
    assert dialect.leftover == b""
    assert dialect.receive(SMUGGLED) == []


def test_chunks_of_http_1_0_are_refused() -> None:
    [event] = HttpDialect().receive(request(CHUNKED, version=b"1.0"))
    assert isinstance(event, Refuse)


def test_a_length_that_connection_names_still_counts() -> None:
    """Taken as it is written, the server would get the body as its next request."""
    exchange, body = passed(request(b"Content-Length: 40", b"Connection: Content-Length"))
    assert b"Content-Length: 40\r\n" in exchange.request
    assert exchange.from_client(memoryview(body)).used == 40


def passed(data: bytes) -> tuple[Exchange, bytes]:
    dialect = HttpDialect()
    [event] = dialect.receive(data)
    assert isinstance(event, Forward)
    return Exchange(event.head), dialect.leftover


def test_what_follows_a_body_is_not_passed_on_with_it() -> None:
    for body, headers in [
        (b"", []),
        (b"hello", [b"Content-Length: 5"]),
        (b"5\r\nhello\r\n0\r\nX: y\r\n\r\n", [CHUNKED]),
    ]:
        exchange, leftover = passed(request(*headers, body=body + SMUGGLED))
        pieces, used = exchange.from_client(memoryview(leftover))
        assert b"".join(pieces) == body
        assert leftover[used:] == SMUGGLED
        assert exchange.is_request_complete
        assert exchange.from_client(memoryview(SMUGGLED)) == ([], 0)


@pytest.mark.parametrize(
    "chunk",
    [
        b"0x5\r\nhello\r\n",
        b"+5\r\nhello\r\n",
        b"-5\r\nhello\r\n",
        b"1_0\r\nhello\r\n",
        b" 5\r\nhello\r\n",
        b"5 \r\nhello\r\n",
        b"5;x\nhello\r\n",
        b"5;\nxx\r\nhello\r\n",
        b"5\nhello\r\n",
        b"5\r\nhello\n",
        b"5\r\nhelloXX0\r\n",
        b"10000000000000005\r\nhello\r\n",
        b"0\r\nX : y\r\n",
        b"0\r\nContent-Length: 40\r\n",
        b"0\n\r\n",
    ],
)
def test_a_chunk_that_can_be_read_in_two_ways_ends_the_exchange(chunk: bytes) -> None:
    exchange, leftover = passed(request(CHUNKED, body=chunk + b"0\r\n\r\n" + SMUGGLED))
    with pytest.raises(HttpError) as raised:
        exchange.from_client(memoryview(leftover))
    assert raised.value.status == 400
    assert exchange_failure(exchange, 400, raised.value.reason).startswith(b"HTTP/1.1 400 ")
    assert not exchange.client_stays
    assert not exchange.server_stays


def test_a_second_response_is_not_taken_for_the_next_answer() -> None:
    """A server's connection is done with when it says more than it was asked for."""
    exchange, _ = passed(request())
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    pieces, used = exchange.from_server(memoryview(answer + b"HTTP/1.1 200 OK\r\n\r\n"))
    assert b"".join(pieces).endswith(b"\r\n\r\nok")
    assert used == len(answer)
    assert exchange.client_stays
    assert not exchange.server_stays


@pytest.mark.parametrize(
    "headers",
    [
        b"Content-Length: 5\r\nContent-Length: 6",
        b"Content-Length: 5, 6",
        b"Content-Length: +5",
        b"Content-Length: -5",
        b"Content-Length : 5",
        b"Content-Length:\r\n 5",
    ],
)
def test_a_response_of_doubtful_length_becomes_an_error(headers: bytes) -> None:
    exchange, _ = passed(request())
    with pytest.raises(HttpError) as raised:
        exchange.from_server(memoryview(b"HTTP/1.1 200 OK\r\n" + headers + b"\r\n\r\nhello"))
    assert raised.value.status == 502
    assert exchange_failure(exchange, 502, raised.value.reason).startswith(b"HTTP/1.1 502 ")
