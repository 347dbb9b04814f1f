"""Bodies: which bytes belong to them, in any split, and as h11 sees it."""

from __future__ import annotations

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.http1.pieces import CUTS, Followed, ask_h11, cut, damaged, follow, trickle
from vsocks.http1.body import Body, ClosingBody, LengthBody
from vsocks.http1.chunks import SIZE_LINE_LIMIT, TRAILER_LIMIT, ChunkedBody
from vsocks.http1.errors import HttpError

pytestmark = pytest.mark.unit

CHUNKS = b"5\r\nhello\r\n00A;name=value\r\n, world\r\n!\r\n0\r\nX-Sum: 1\r\n\r\n"


@pytest.mark.parametrize("pieces", [[b"hello, next"], trickle(b"hello, next")])
def test_a_body_of_known_length_ends_there(pieces: list[bytes]) -> None:
    body = LengthBody(5)
    assert follow(body, pieces) == Followed(b"hello", b"hello", b", next")
    assert body.is_complete
    assert LengthBody(0).is_complete


def test_a_body_of_known_length_is_not_whole_before_its_end() -> None:
    body = LengthBody(5)
    follow(body, [b"hell"])
    assert not body.is_complete
    assert not body.end()


def test_a_body_that_ends_with_its_connection_is_whole_then() -> None:
    body = ClosingBody()
    assert follow(body, [b"hello", b"", b", all"]) == Followed(b"hello, all", b"hello, all", b"")
    assert not body.is_complete
    assert body.end()
    assert body.is_complete


@pytest.mark.parametrize("pieces", [[CHUNKS + b"next"], trickle(CHUNKS + b"next")])
def test_chunks_end_behind_their_trailers(pieces: list[bytes]) -> None:
    body = ChunkedBody()
    assert follow(body, pieces) == Followed(CHUNKS, b"hello, world\r\n!", b"next")
    assert body.is_complete


def test_the_content_of_chunks_is_not_copied() -> None:
    data, content = memoryview(CHUNKS), list[memoryview]()
    ChunkedBody().receive(data, content)
    assert all(piece.obj is data.obj for piece in content)


def test_chunks_without_their_last_one_are_not_whole() -> None:
    body = ChunkedBody()
    follow(body, [CHUNKS[:-2]])
    assert not body.end()


@pytest.mark.parametrize(
    "chunk",
    [
        pytest.param(b"0x5\r\n", id="0x"),
        pytest.param(b"+5\r\n", id="plus"),
        pytest.param(b"-5\r\n", id="minus"),
        pytest.param(b"1_0\r\n", id="underscore"),
        pytest.param(b" 5\r\n", id="space before"),
        pytest.param(b"5 \r\n", id="space behind"),
        pytest.param(b"5 ;a=b\r\n", id="space before an extension"),
        pytest.param(b"\r\n", id="no size"),
        pytest.param(b";a=b\r\n", id="an extension only"),
        pytest.param(b"5;a\nb\r\n", id="LF in an extension"),
        pytest.param(b"5;a\rb\r\n", id="CR in an extension"),
        pytest.param(b"5;a\0b\r\n", id="NUL in an extension"),
        pytest.param(b"5\n", id="LF alone"),
        pytest.param(b"5\rX", id="CR alone"),
        pytest.param(b"5\r\r\n", id="CR twice"),
        pytest.param(b"\xb2\r\n", id="a digit of Latin-1"),
        pytest.param(b"5" * 16 + b"\r\n", id="more than 63 bits"),
        pytest.param(b"f" * 100_000, id="endless"),
        pytest.param(b"5;" + b"a" * SIZE_LINE_LIMIT, id="an endless extension"),
        pytest.param(b"5\r\nhelloX", id="longer than its size"),
        pytest.param(b"5\r\nhello\n", id="LF alone behind it"),
        pytest.param(b"5\r\nhello0\r\n\r\n", id="nothing behind it"),
        pytest.param(b"0\r\nX : y\r\n\r\n", id="space in a trailer"),
        pytest.param(b"0\r\nX: y\r\n folded\r\n\r\n", id="a folded trailer"),
        pytest.param(b"0\r\nX\r\n\r\n", id="no trailer"),
        pytest.param(b"0\r\nX: y\n\r\n", id="LF alone behind a trailer"),
        pytest.param(b"0\r\nContent-Length: 5\r\n\r\n", id="Content-Length as a trailer"),
        pytest.param(b"0\r\ntransfer-Encoding: x\r\n\r\n", id="Transfer-Encoding as a trailer"),
        pytest.param(b"0\r\nHost: x\r\n\r\n", id="Host as a trailer"),
        pytest.param(b"0\r\n" + b"X: y\r\n" * TRAILER_LIMIT, id="endless trailers"),
        pytest.param(b"0\r\n" + b"X" * TRAILER_LIMIT * 2, id="an endless trailer"),
    ],
)
def test_malformed_chunks_are_refused(chunk: bytes) -> None:
    for pieces in [chunk + b"\r\n"], trickle(chunk + b"\r\n"):
        body = ChunkedBody()
        with pytest.raises(HttpError) as raised:
            follow(body, pieces)
        assert raised.value.status == 400
        assert raised.value.reason.isprintable()
        assert len(body._lines._line) <= TRAILER_LIMIT


def test_cr_without_lf_is_refused_before_its_line_ends() -> None:
    """Parts of a line are passed on, and some servers end lines at CR."""
    for pieces in [b"0\r\rG"], [b"0\r", b"G"], trickle(b"0\r\n\rG"):
        with pytest.raises(HttpError, match="CR"):
            follow(ChunkedBody(), pieces)


def test_servers_may_put_space_behind_a_size() -> None:
    data = b"5   \r\nhello\r\n0 \r\n\r\n"
    assert follow(ChunkedBody(padded=True), [data]).content == b"hello"


def test_a_size_may_begin_with_zeros() -> None:
    data = b"0" * 30 + b"5\r\nhello\r\n" + b"0" * 40 + b"\r\n\r\n"
    assert follow(ChunkedBody(), [data]).content == b"hello"


def test_every_size_line_may_be_as_long_as_the_limit() -> None:
    line = b"1;".ljust(SIZE_LINE_LIMIT - 2, b"x") + b"\r\n"
    assert follow(ChunkedBody(), [(line + b"a\r\n") * 3]).content == b"aaa"
    with pytest.raises(HttpError, match="too long"):
        follow(ChunkedBody(), [b"1\r\na\r\n1x" + line])


def test_the_largest_size_is_a_number_of_63_bits() -> None:
    body = ChunkedBody()
    follow(body, [b"f" * 15 + b"\r\nmore"])
    assert body._left == 0x0FFFFFFFFFFFFFFF - 4


@st.composite
def chunked(draw: st.DrawFn) -> bytes:
    data = b""
    for content in draw(st.lists(st.binary(min_size=1, max_size=30), max_size=4)):
        size = draw(st.sampled_from([b"%x", b"%X", b"%04x", b"%x;a", b'%x;a="b;c"']))
        data += size % len(content) + b"\r\n" + content + b"\r\n"
    return data + b"0\r\n" + draw(st.sampled_from([b"", b"A: b\r\n", b"A: b\r\nC:\r\n"])) + b"\r\n"


BODIES = st.tuples(chunked(), st.binary(max_size=8)).map(b"".join)
MAYBE_DAMAGED = BODIES | damaged(BODIES) | damaged(damaged(BODIES))


def outcome(body: Body, pieces: list[bytes]) -> Followed | str:
    try:
        return follow(body, pieces)
    except HttpError as error:
        return error.reason


@given(MAYBE_DAMAGED, CUTS, st.booleans())
def test_any_split_of_chunks_gives_the_same(data: bytes, cuts: list[float], padded: bool) -> None:
    whole = outcome(ChunkedBody(padded=padded), [data])
    assert outcome(ChunkedBody(padded=padded), list(cut(data, cuts))) == whole


@given(chunked(), st.binary())
def test_all_proper_chunks_are_read(data: bytes, rest: bytes) -> None:
    followed = follow(ChunkedBody(), [data + rest])
    assert (followed.taken, followed.rest) == (data, rest)


@given(MAYBE_DAMAGED)
def test_chunks_that_are_whole_to_us_are_the_same_to_h11(data: bytes) -> None:
    head = b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
    body = ChunkedBody()
    followed = outcome(body, [data])
    if isinstance(followed, Followed) and body.is_complete:
        oracle = ask_h11(head + data)
        assert oracle
        assert oracle.is_complete
        assert oracle.content == followed.content
        assert oracle.rest == followed.rest


@given(st.lists(st.binary(max_size=50), max_size=5), st.booleans(), st.binary(max_size=9), CUTS)
def test_bodies_that_h11_writes_are_read_to_their_end(
    parts: list[bytes], in_chunks: bool, rest: bytes, cuts: list[float]
) -> None:
    content = b"".join(parts)
    framing = (
        ("Transfer-Encoding", "chunked") if in_chunks else ("Content-Length", str(len(content)))
    )
    writer = h11.Connection(h11.CLIENT)
    writer.send(h11.Request(method="POST", target="/", headers=[("Host", "h"), framing]))
    written = b"".join(writer.send(h11.Data(data=part)) or b"" for part in parts)
    written += writer.send(h11.EndOfMessage()) or b""
    body = ChunkedBody() if in_chunks else LengthBody(len(content))
    assert follow(body, cut(written + rest, cuts)) == Followed(written, content, rest)
    assert body.is_complete
