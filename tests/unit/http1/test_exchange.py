"""One request and its response through the proxy, case by case."""

from __future__ import annotations

import pytest

from tests.unit.http1.pieces import an_exchange, head_and_body, serve, trickle
from vsocks.address import Target
from vsocks.http1.errors import HttpError
from vsocks.http1.exchange import Exchange

pytestmark = pytest.mark.unit

CHUNKED = ("Transfer-Encoding", "chunked")
CHUNKS = b"5\r\nhello\r\n6;a=b\r\n world\r\n0\r\nX: y\r\n\r\n"
UPGRADE = ("Connection", "upgrade"), ("Upgrade", "websocket")
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


VIA = ("Via", "1.1 vsocks")
CLOSE = ("Connection", "close")


@pytest.mark.parametrize("pieces", [[OK], trickle(OK)])
def test_a_request_and_its_response_leave_both_connections_for_the_next(
    pieces: list[bytes],
) -> None:
    served = an_exchange()
    assert served.target == Target("h", 81)
    assert served.request == b"GET /a HTTP/1.1\r\nHost: h:81\r\nVia: 1.1 vsocks\r\n\r\n"
    assert served.is_request_complete
    assert not served.is_complete
    assert not served.client_stays
    assert head_and_body(serve(served, *pieces)) == ([("Content-Length", "2"), VIA], b"ok")
    assert served.is_complete
    assert served.client_stays
    assert served.server_stays


def test_a_body_is_passed_on_as_slices_of_what_came() -> None:
    served = an_exchange(("Content-Length", "9"), method="POST")
    data = memoryview(b"123456789GET")
    pieces, used = served.from_client(data)
    assert (pieces, used) == ([data[:9]], 9)
    assert isinstance(pieces[0], memoryview)
    assert pieces[0].obj is data.obj
    answer = memoryview(OK)
    pieces, _ = served.from_server(answer)
    assert isinstance(pieces[1], memoryview)
    assert pieces[1].obj is answer.obj


def test_chunks_pass_as_they_are_both_ways() -> None:
    served = an_exchange(CHUNKED, method="POST")
    assert not served.is_request_complete
    assert served.from_client(memoryview(CHUNKS)).pieces == [CHUNKS]
    assert served.is_request_complete
    answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X\r\n\r\n" + CHUNKS
    headers, body = head_and_body(serve(served, answer))
    assert headers == [("Trailer", "X"), CHUNKED, VIA]
    assert body == CHUNKS
    assert served.server_stays


@pytest.mark.parametrize("cut_at", [1, 3, 1000])
def test_a_client_of_http_1_0_gets_chunks_unpacked_and_the_end_of_the_connection(
    cut_at: int,
) -> None:
    served = an_exchange(version=(1, 0))
    assert b"\r\nConnection: close\r\n" in served.request
    answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X\r\n\r\n" + CHUNKS
    pieces = [answer[i : i + cut_at] for i in range(0, len(answer), cut_at)]
    assert head_and_body(serve(served, *pieces)) == ([VIA, CLOSE], b"hello world")
    assert served.is_complete
    assert not served.client_stays


def test_a_client_that_says_close_gets_it() -> None:
    served = an_exchange(CLOSE)
    assert b"\r\nConnection: close\r\n" in served.request
    headers, _ = head_and_body(serve(served, OK))
    assert CLOSE in headers
    assert served.is_complete
    assert not served.client_stays
    assert not served.server_stays


def test_a_server_that_says_close_does_not_end_the_clients_connection() -> None:
    served = an_exchange()
    answer = OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    assert CLOSE not in head_and_body(serve(served, answer))[0]
    assert served.client_stays
    assert not served.server_stays


@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
def test_a_body_without_a_length_ends_with_both_connections(version: bytes) -> None:
    served = an_exchange()
    got = serve(served, b"HTTP/" + version + b" 200 OK\r\n\r\nhello", b" world")
    assert not served.is_complete
    served.server_ended()
    headers, body = head_and_body(got)
    assert (headers[-1], body) == (CLOSE, b"hello world")
    assert served.is_complete
    assert not served.client_stays


@pytest.mark.parametrize(
    ("method", "answer"),
    [
        ("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"),
        ("HEAD", b"HTTP/1.1 200 OK\r\n\r\n"),
        ("GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n"),
        ("GET", b"HTTP/1.1 204 No Content\r\n\r\n"),
        ("GET", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
    ],
)
def test_a_response_without_a_body_is_complete_with_its_head(method: str, answer: bytes) -> None:
    served = an_exchange(method=method)
    serve(served, answer)
    assert served.is_complete
    assert served.client_stays
    assert served.server_stays


# -- interim responses and tunnels ---------------------------------------------------------

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


def test_interim_responses_come_before_the_final_one() -> None:
    served = an_exchange(("Expect", "100-continue"), ("Content-Length", "5"), method="PUT")
    assert b"\r\nExpect: 100-continue\r\n" in served.request
    early = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    assert serve(served, CONTINUE, early) == (
        b"HTTP/1.1 100 Continue\r\nVia: 1.1 vsocks\r\n\r\n"
        b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nVia: 1.1 vsocks\r\n\r\n"
    )
    assert not served.is_complete
    served.from_client(memoryview(b"hello"))
    serve(served, OK)
    assert served.client_stays


def test_a_client_of_http_1_0_gets_no_interim_responses() -> None:
    served = an_exchange(version=(1, 0))
    assert serve(served, CONTINUE * 3) == b""
    assert serve(served, OK).startswith(b"HTTP/1.1 200 ")


SWITCH = b"HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"


def test_an_upgrade_becomes_a_tunnel_that_ends_with_both_sides() -> None:
    served = an_exchange(*UPGRADE)
    early = memoryview(b"sent ahead")
    assert served.from_client(early) == ([], 0)
    headers, first = head_and_body(serve(served, SWITCH + b"\x81\x05hello"))
    assert headers == [("Upgrade", "websocket"), VIA, ("Connection", "upgrade")]
    assert first == b"\x81\x05hello"
    assert served.is_tunnel
    assert not served.is_request_complete
    assert served.from_client(early) == ([early], len(early))
    assert serve(served, b"anything") == b"anything"
    served.client_ended()
    assert serve(served, b"still") == b"still"
    assert not served.is_complete
    served.server_ended()
    assert served.is_complete
    assert not served.client_stays
    assert not served.server_stays


def test_a_tunnel_whose_server_ends_first_goes_on_until_the_client_ends() -> None:
    served = an_exchange(*UPGRADE)
    serve(served, SWITCH)
    served.server_ended()
    assert not served.is_complete
    served.client_ended()
    assert served.is_complete


def test_an_upgrade_that_is_declined_is_a_response_like_any_other() -> None:
    served = an_exchange(*UPGRADE)
    serve(served, OK)
    assert not served.is_tunnel
    assert served.client_stays


@pytest.mark.parametrize(
    "asking",
    [
        an_exchange(),
        an_exchange(("Upgrade", "websocket")),
        an_exchange(*UPGRADE, version=(1, 0)),
        an_exchange(*UPGRADE, ("Content-Length", "5"), method="POST"),
    ],
)
def test_a_server_can_not_make_a_tunnel_by_itself(asking: Exchange) -> None:
    with pytest.raises(HttpError) as raised:
        asking.from_server(memoryview(SWITCH))
    assert raised.value.status == 502
    assert not asking.is_tunnel
