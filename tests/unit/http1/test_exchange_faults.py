"""Exchanges in which a side does what it shouldn't, or ends too early."""

from __future__ import annotations

import pytest

from tests.unit.http1.pieces import an_exchange, head_and_body, serve
from vsocks.http1.errors import HttpError
from vsocks.http1.exchange import Exchange, Passed
from vsocks.http1.head import RequestHead
from vsocks.proxy.pages import exchange_failure

pytestmark = pytest.mark.unit

CHUNKS = b"5\r\nhello\r\n6;a=b\r\n world\r\n0\r\nX: y\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
CLOSE = ("Connection", "close")


def test_an_answer_before_the_request_is_whole_is_delivered_and_is_the_last() -> None:
    served = an_exchange(("Content-Length", "9"), method="POST")
    served.from_client(memoryview(b"12345"))
    headers, body = head_and_body(serve(served, OK))
    assert (headers[-1], body) == (CLOSE, b"ok")
    assert served.is_complete
    assert not served.client_stays
    assert not served.server_stays


def test_a_request_that_becomes_whole_after_its_answer_has_begun_is_the_last_too() -> None:
    """The client was told so."""
    served = an_exchange(("Content-Length", "9"), method="POST")
    serve(served, OK[:-1])
    assert served.from_client(memoryview(b"123456789")) == Passed([b"123456789"], 9)
    serve(served, OK[-1:])
    assert served.is_complete
    assert not served.client_stays


@pytest.mark.parametrize("sent", [b"", b"HTTP/1.1 20", CONTINUE, CONTINUE + b"HTT"])
def test_a_server_that_ends_without_an_answer_is_told_of_by_a_page(sent: bytes) -> None:
    served = an_exchange()
    serve(served, sent)
    with pytest.raises(HttpError) as raised:
        served.server_ended()
    assert raised.value.status == 502
    page = exchange_failure(served, 502, raised.value.reason)
    assert page.startswith(b"HTTP/1.1 502 Bad Gateway\r\n")
    assert b"without a response" in page or b"within the head" in page
    assert not served.client_stays


@pytest.mark.parametrize(
    "sent",
    [
        OK[:-1],
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + CHUNKS[:-1],
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    ],
)
def test_a_client_that_has_a_part_of_the_response_gets_no_page(sent: bytes) -> None:
    """Its connection is to be reset, or it would take the part for the whole."""
    served = an_exchange()
    serve(served, sent)
    with pytest.raises(HttpError, match="within its response"):
        served.server_ended()
    assert exchange_failure(served, 502, "") == b""
    assert not served.is_complete
    assert not served.client_stays


@pytest.mark.parametrize(
    "sent",
    [
        b"SSH-2.0-OpenSSH\r\n",
        b"HTTP/2.0 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: y\rz\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 40_000,
        b"\r\nHTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
    ],
)
def test_a_server_that_speaks_no_proper_http_is_told_of_by_a_page(sent: bytes) -> None:
    served = an_exchange()
    with pytest.raises(HttpError) as raised:
        served.from_server(memoryview(sent))
    assert raised.value.status == 502
    assert raised.value.reason.isprintable()
    assert exchange_failure(served, 502, raised.value.reason).startswith(b"HTTP/1.1 502 ")


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_response_whose_length_is_nonsense_leaves_the_exchange_incomplete(method: str) -> None:
    served = an_exchange(method=method)
    with pytest.raises(HttpError):
        served.from_server(memoryview(b"HTTP/1.1 200 OK\r\nContent-Length: $5\r\n\r\n"))
    assert not served.is_complete
    assert not served.client_stays
    assert exchange_failure(served, 502, "").startswith(b"HTTP/1.1 502 ")


def test_a_page_for_head_has_no_body() -> None:
    page = exchange_failure(an_exchange(method="HEAD"), 504, "late")
    assert page.startswith(b"HTTP/1.1 504 ")
    assert page.endswith(b"\r\n\r\n")


def test_a_client_that_ends_within_its_request_is_given_up() -> None:
    served = an_exchange(("Content-Length", "9"), method="POST")
    served.from_client(memoryview(b"12345"))
    with pytest.raises(HttpError):
        served.client_ended()


def test_a_client_may_end_once_its_request_is_whole() -> None:
    served = an_exchange()
    served.client_ended()
    assert serve(served, OK)
    assert served.is_complete


def test_only_idempotent_requests_without_a_body_may_be_sent_again_and_only_unanswered() -> None:
    assert an_exchange().is_repeatable
    assert an_exchange(method="HEAD").is_repeatable
    assert an_exchange(method="DELETE").is_repeatable
    assert not an_exchange(method="POST").is_repeatable
    assert not an_exchange(method="PATCH").is_repeatable
    assert not an_exchange(("Content-Length", "5")).is_repeatable
    served = an_exchange()
    serve(served, b"H")
    assert not served.is_repeatable


@pytest.mark.parametrize(
    ("target", "status"), [("/", 400), ("https://h/", 400), ("ftp://h/", 501), ("http://", 400)]
)
def test_what_can_not_be_passed_on_never_becomes_an_exchange(target: str, status: int) -> None:
    with pytest.raises(HttpError) as raised:
        Exchange(RequestHead("GET", target, (1, 1)))
    assert raised.value.status == status
