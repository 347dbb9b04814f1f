"""Which body a head announces, and that h11 would have it the same."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.unit.http1.pieces import ask_h11, follow
from vsocks.http1.body import Body, ClosingBody
from vsocks.http1.chunks import ChunkedBody
from vsocks.http1.errors import HttpError
from vsocks.http1.framing import request_body, response_body
from vsocks.http1.head import Headers, RequestHead, ResponseHead

pytestmark = pytest.mark.unit

CHUNKS = b"5\r\nhello\r\n0\r\n\r\n"
CHUNKED = ("Transfer-Encoding", "chunked")


def of_request(*headers: tuple[str, str], version: tuple[int, int] = (1, 1)) -> Body:
    return request_body(RequestHead("POST", "/", version, headers))


def of_response(
    *headers: tuple[str, str], status: int = 200, method: str = "GET", minor: int = 1
) -> Body:
    return response_body(method, ResponseHead((1, minor), status, "", headers))


def test_a_request_without_a_length_has_no_body() -> None:
    assert of_request().is_complete
    assert of_request(("Content-Length", "0")).is_complete


def test_a_request_with_one_length_or_chunks_has_that_body() -> None:
    assert follow(of_request(("content-LENGTH", "007")), [b"x" * 9]).rest == b"xx"
    assert isinstance(of_request(CHUNKED), ChunkedBody)
    assert isinstance(of_request(("Transfer-Encoding", "CHUNKED")), ChunkedBody)


@pytest.mark.parametrize("headers", [[("Content-Length", "2, 2")], [("Content-Length", "2")] * 2])
def test_a_length_that_is_repeated_counts_once(headers: Headers) -> None:
    assert follow(of_request(*headers), [b"xxxx"]).rest == b"xx"


@pytest.mark.parametrize("status", [100, 101, 103, 199, 204, 304])
def test_some_statuses_have_no_body_whatever_the_headers_say(status: int) -> None:
    assert of_response(("Content-Length", "5"), status=status).is_complete
    assert of_response(CHUNKED, status=status).is_complete


def test_the_response_to_head_has_no_body() -> None:
    assert of_response(("Content-Length", "5"), method="HEAD").is_complete


def test_a_response_without_a_length_ends_with_its_connection() -> None:
    assert isinstance(of_response(), ClosingBody)
    assert isinstance(of_response(("Transfer-Encoding", "gzip")), ClosingBody)
    assert isinstance(of_response(("Transfer-Encoding", "chunked, x")), ClosingBody)


@pytest.mark.parametrize("coding", ["identity", "Identity", "", "identity, identity"])
def test_a_response_that_says_that_it_is_not_encoded_has_its_length(coding: str) -> None:
    """Taken for an unknown coding it would last until a server ends that keeps its connection."""
    said = ("Transfer-Encoding", coding)
    assert follow(of_response(said, ("Content-Length", "5")), [b"x" * 9]).rest == b"xxxx"
    assert isinstance(of_response(said), ClosingBody)


def test_a_response_with_an_unknown_coding_and_a_length_is_refused() -> None:
    with pytest.raises(HttpError, match="unknown"):
        of_response(("Transfer-Encoding", "gzip"), ("Content-Length", "5"))


def test_chunks_win_over_a_length_in_a_response() -> None:
    assert isinstance(of_response(("Content-Length", "5"), CHUNKED), ChunkedBody)
    assert isinstance(of_response(CHUNKED, minor=0), ChunkedBody)


LENGTHS = st.sampled_from(["0", "5", "05", "+5", "-5", "5 ", "5_0", "0x5", "", "5,5", "5, 6", "²"])
CODINGS = st.sampled_from(["chunked", "Chunked", "gzip", "gzip, chunked", "chunked, x", "", "x"])
FRAMING = st.lists(
    st.tuples(st.just("Content-Length"), LENGTHS)
    | st.tuples(st.just("Transfer-Encoding"), CODINGS),
    max_size=3,
)


@given(FRAMING, st.sampled_from([CHUNKS, b"x" * 9]))
@example([("Content-Length", "5")], b"x" * 9)
def test_a_body_that_a_request_has_for_us_it_has_for_h11(
    headers: list[tuple[str, str]], data: bytes
) -> None:
    try:
        body = of_request(*headers)
        followed = follow(body, [data])
    except HttpError:
        return
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers).encode("latin-1")
    oracle = ask_h11(b"POST / HTTP/1.1\r\nHost: h\r\n" + lines + b"\r\n" + data)
    assert oracle
    assert oracle.is_complete == body.is_complete
    if body.is_complete:
        assert (oracle.content, oracle.rest) == (followed.content, followed.rest)
