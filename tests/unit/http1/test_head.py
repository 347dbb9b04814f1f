"""The heads of messages: what is one and what isn't, and their limits."""

from __future__ import annotations

import pytest

from tests.unit.http1.pieces import read_request, read_response, trickle
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


#: Lines that are no header, and what becomes of them in a response.
MALFORMED = [
    pytest.param(b"Name : value", ("Name", "value"), id="space before the colon"),
    pytest.param(b"Name\t: value", ("Name", "value"), id="tab before the colon"),
    pytest.param(b" folded", ("A", "b folded"), id="a folded value"),
    pytest.param(b"\tfolded", ("A", "b folded"), id="a value folded by a tab"),
    pytest.param(b" \t", ("A", "b"), id="nothing folded"),
    pytest.param(b"N:\r\n \r\n v", ("N", "v"), id="a value that begins on a later line"),
    pytest.param(b" Name: value", ("A", "b Name: value"), id="space before the name"),
    pytest.param(b": value", None, id="no name"),
    pytest.param(b"Name", None, id="no colon"),
    pytest.param(b"Na me: value", None, id="space in the name"),
    pytest.param(b"Na\x00me: value", None, id="NUL in the name"),
    pytest.param(b"N\xe4me: value", None, id="a name beyond ASCII"),
    pytest.param(b"Name: va\x00lue", None, id="NUL in the value"),
    pytest.param(b" va\x00lue", ("A", "b"), id="NUL in a folded value"),
    pytest.param(b"Name: va\x0blue", None, id="a vertical tab"),
    pytest.param(b"Name: va\x7flue", None, id="DEL"),
]


@pytest.mark.parametrize(("line", "_"), MALFORMED)
def test_malformed_headers_of_requests_are_refused(line: bytes, _: object) -> None:
    with pytest.raises(HttpError, match="malformed") as request:
        read_request([b"GET / HTTP/1.1\r\nA: b\r\n" + line + b"\r\n\r\n"])
    assert request.value.status == 400


@pytest.mark.parametrize(("line", "header"), MALFORMED)
def test_malformed_headers_of_responses_are_mended_or_left_out(
    line: bytes, header: tuple[str, str] | None
) -> None:
    """The page is worth more than the line; nobody downstream sees it."""
    data = b"HTTP/1.1 200 OK\r\nA: b\r\n" + line + b"\r\nC: d\r\n\r\nbody"
    for pieces in [data], trickle(data):
        head, rest = read_response(pieces)
        assert head is not None
        mended = dict([("A", "b"), *([header] if header else []), ("C", "d")])
        assert head.headers == tuple(mended.items())
        assert rest == b"body"


@pytest.mark.parametrize("start", [b"", b"N\xe4me: value\r\n"])
def test_what_continues_a_line_that_was_left_out_is_left_out(start: bytes) -> None:
    head, _ = read_response([b"HTTP/1.1 200 OK\r\n" + start + b" more: x\r\n\r\n"])
    assert head is not None
    assert head.headers == ()


@pytest.mark.parametrize(
    "line",
    [
        b"Content-Length : 5",
        b"content-length\t: 5",
        b"Content-Length\x00: 5",
        b"\x00Content-Length: 5",
        b"Content Length: 5",
        b"Content-Length",
        b"Content-Length 5",
        b"Content-Length: 5\x00",
        b"Content-Length: 5\r\n 6",
        b"Content-Length:\r\n\t5",
        b"Transfer-Encoding : chunked",
        b"Transfer-Encoding\xa0: chunked",
        b"Transfer-Encoding: chunked\x0b",
        b"Transfer-Encoding:\r\n chunked",
    ],
)
def test_a_line_that_may_be_meant_to_say_where_the_body_ends_is_never_left_out(
    line: bytes,
) -> None:
    with pytest.raises(HttpError, match="malformed"):
        read_response([b"HTTP/1.1 200 OK\r\nA: b\r\n" + line + b"\r\n\r\n"])


@pytest.mark.parametrize("line", [b"Name: va\rlue", b"Name: value\r", b"\rName: value"])
def test_a_carriage_return_within_a_line_is_refused_in_both_directions(line: bytes) -> None:
    for read, start in (read_request, b"GET / HTTP/1.1"), (read_response, b"HTTP/1.1 200 OK"):
        with pytest.raises(HttpError, match="malformed"):
            read([start + b"\r\nA: b\r\n" + line + b"\r\n\r\n"])


def test_a_target_beyond_ascii_is_encoded_as_browsers_do() -> None:
    head, _ = read_request(["GET http://h/ä%41?ö HTTP/1.1\r\n\r\n".encode()])
    assert head is not None
    assert head.target == "http://h/%C3%A4%41?%C3%B6"


def test_a_request_line_may_end_in_lf_alone() -> None:
    """An old tunnel helper ends it so, and the lines behind it in CR LF."""
    data = b"CONNECT h:1 HTTP/1.0\nProxy-Authorization: Basic eA==\r\n\r\nSSH-2.0"
    for pieces in [data], trickle(data):
        head, rest = read_request(pieces)
        assert head == RequestHead(
            "CONNECT", "h:1", (1, 0), (("Proxy-Authorization", "Basic eA=="),)
        )
        assert rest == b"SSH-2.0"


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
        b"G\xc4T / HTTP/1.1",
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
