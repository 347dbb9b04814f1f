"""The heads of messages: what is one and what isn't, and their limits."""

from __future__ import annotations

import pytest

from tests.unit.http_pieces import read_request, read_response, trickle
from vsocks.http1.errors import HttpError
from vsocks.http1.head import RequestHead, ResponseHead
from vsocks.http1.reading import HEADER_COUNT_LIMIT, RequestReader, ResponseReader

pytestmark = pytest.mark.unit

REQUEST = b"GET http://example.com/ HTTP/1.1\r\nHost: example.com\r\nAccept:\t*/* \r\nX:\r\n\r\n"
HEAD = RequestHead(
    "GET",
    "http://example.com/",
    (1, 1),
    (("Host", "example.com"), ("Accept", "*/*"), ("X", "")),
)


@pytest.mark.parametrize("pieces", [[REQUEST + b"body"], trickle(REQUEST + b"body")])
def test_a_request_is_read_up_to_its_body(pieces: list[bytes]) -> None:
    assert read_request(pieces) == (HEAD, b"body")


def test_empty_lines_before_a_request_are_skipped() -> None:
    assert read_request([b"\r\n\r\n" + REQUEST]) == (HEAD, b"")


def test_a_response_is_read_and_may_lack_its_reason() -> None:
    head, rest = read_response([b"HTTP/1.0 200\r\nServer: x\r\n\r\nbody"])
    assert head == ResponseHead((1, 0), 200, "", (("Server", "x"),))
    assert rest == b"body"
    assert read_response([b"HTTP/1.1 404 Not  \xe9\r\n\r\n"])[0] == ResponseHead(
        (1, 1), 404, "Not  \xe9"
    )


def test_the_lines_of_a_response_may_end_in_lf_alone() -> None:
    """Its head is written anew for the client, so nobody reads it differently."""
    head, rest = read_response([b"HTTP/1.0 200 OK\nA: b\r\nC: d\n\nbody"])
    assert head == ResponseHead((1, 0), 200, "OK", (("A", "b"), ("C", "d")))
    assert rest == b"body"


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(b"Name : value", id="space before the colon"),
        pytest.param(b"Name\t: value", id="tab before the colon"),
        pytest.param(b" folded", id="a folded value"),
        pytest.param(b"\tfolded", id="a value folded by a tab"),
        pytest.param(b" Name: value", id="space before the name"),
        pytest.param(b": value", id="no name"),
        pytest.param(b"Name", id="no colon"),
        pytest.param(b"Na me: value", id="space in the name"),
        pytest.param(b"Na\x00me: value", id="NUL in the name"),
        pytest.param(b"N\xe4me: value", id="a name beyond ASCII"),
        pytest.param(b"Name: va\x00lue", id="NUL in the value"),
        pytest.param(b"Name: va\rlue", id="CR in the value"),
        pytest.param(b"Name: value\r", id="CR at the end"),
        pytest.param(b"\rName: value", id="CR at the beginning"),
        pytest.param(b"Name: va\x0blue", id="a vertical tab"),
        pytest.param(b"Name: va\x7flue", id="DEL"),
    ],
)
def test_malformed_headers_are_refused_in_both_directions(line: bytes) -> None:
    with pytest.raises(HttpError, match="malformed") as request:
        read_request([b"GET / HTTP/1.1\r\nA: b\r\n" + line + b"\r\n\r\n"])
    assert request.value.status == 400
    with pytest.raises(HttpError, match="malformed"):
        read_response([b"HTTP/1.1 200 OK\r\nA: b\r\n" + line + b"\r\n\r\n"])


@pytest.mark.parametrize(
    "line",
    [
        b"GET  / HTTP/1.1",
        b"GET /  HTTP/1.1",
        b" GET / HTTP/1.1",
        b"GET / HTTP/1.1 ",
        b"GET\t/ HTTP/1.1",
        b"GET /a b HTTP/1.1",
        b"GET / HTTP/1",
        b"GET / http/1.1",
        b"GET / HTTP/1.11",
        b"GET / HTTP/\xb2.1",
        b"GET /\x00 HTTP/1.1",
        b"GET /\r HTTP/1.1",
        b"GET /\xe4 HTTP/1.1",
        b"G(T / HTTP/1.1",
        b"GET /",
        b"GET",
    ],
)
def test_malformed_request_lines_are_refused(line: bytes) -> None:
    with pytest.raises(HttpError) as raised:
        read_request([line + b"\r\n"])
    assert raised.value.status == 400
    assert raised.value.reason.isprintable()


@pytest.mark.parametrize("version", ["0.9", "1.2", "2.0", "3.0"])
def test_other_versions_of_http_are_told_apart_from_nonsense(version: str) -> None:
    with pytest.raises(HttpError) as raised:
        read_request([f"PRI * HTTP/{version}\r\n".encode()])
    assert raised.value.status == 505


@pytest.mark.parametrize(
    "line", [b"HTTP/1.1 20 OK", b"HTTP/1.1 099 OK", b"HTTP/2.0 200 OK", b"ICY 200 OK", b"", b"\0"]
)
def test_malformed_status_lines_are_refused(line: bytes) -> None:
    with pytest.raises(HttpError) as raised:
        read_response([line + b"\r\n"])
    assert raised.value.status == 502


@pytest.mark.parametrize("end", [b"\n", b"\n\r\n", b"\n\n", b"\r\r\n"])
def test_a_request_with_other_line_ends_is_refused(end: bytes) -> None:
    with pytest.raises(HttpError):
        read_request([b"GET / HTTP/1.1\r\nHost: a" + end])


@pytest.mark.parametrize("pieces", [1, 7, 100_000])
def test_a_head_may_be_as_long_as_the_limit_and_no_longer(pieces: int) -> None:
    def read(data: bytes) -> RequestHead | None:
        reader = RequestReader(max_head_size=len(REQUEST))
        for start in range(0, len(data), pieces):
            head, _ = reader.receive(memoryview(data[start : start + pieces]))
        return head

    assert read(REQUEST) == HEAD
    with pytest.raises(HttpError) as raised:
        read(b"\r\n" + REQUEST)
    assert raised.value.status == 431


def test_the_limit_bounds_what_is_held_of_an_endless_line() -> None:
    reader = RequestReader(max_head_size=1000)
    reader.receive(memoryview(b"GET /"))
    with pytest.raises(HttpError) as raised:
        reader.receive(memoryview(b"a" * 1_000_000))
    assert raised.value.status == 431
    assert len(reader._lines._line) <= 1000


def test_the_number_of_headers_is_limited() -> None:
    headers = b"a:b\r\n" * HEADER_COUNT_LIMIT
    assert read_request([b"GET / HTTP/1.1\r\n" + headers + b"\r\n"])[0]
    with pytest.raises(HttpError) as raised:
        read_request([b"GET / HTTP/1.1\r\n" + headers + b"a:b\r\n"])
    assert raised.value.status == 431


def test_a_reader_takes_little_more_than_its_head_from_much_data() -> None:
    """So many short messages in one piece cost no more than their bytes."""
    copied = 0

    class Counting(bytearray):
        def __iadd__(self, other: memoryview) -> Counting:  # type: ignore[override, misc]
            nonlocal copied
            copied += len(other)
            super().__iadd__(other)
            return self

    reader = ResponseReader()
    reader._lines._line = Counting()
    data = memoryview(b"HTTP/1.1 100 \r\n\r\n" + bytes(1_000_000))
    _, used = reader.receive(data)
    assert used == 17
    assert 17 <= copied < 2048


def test_lists_of_tokens_are_read_from_all_headers_of_the_name() -> None:
    head = RequestHead(
        "GET", "/", (1, 1), (("Connection", "Close, ,X"), ("connection", "te\t,"), ("X", "no"))
    )
    assert head.tokens("connection") == ["close", "x", "te"]
    assert head.values("x") == ["no"]
    assert head.tokens("other") == []
