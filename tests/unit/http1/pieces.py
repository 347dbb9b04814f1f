"""HTTP messages for the tests: cut in any way, and what h11 makes of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import h11
from hypothesis import strategies as st

from vsocks.http1.body import Body
from vsocks.http1.exchange import Exchange
from vsocks.http1.head import RequestHead, ResponseHead
from vsocks.http1.reading import HeadReader, HeadT, RequestReader, ResponseReader

#: Where to cut bytes: fractions of their length, so that they can be drawn apart from the bytes.
CUTS = st.lists(st.floats(0, 1), max_size=12)

METHODS = st.sampled_from(["GET", "HEAD", "POST", "PUT", "OPTIONS", "DELETE", "PATCH", "M-SEARCH"])
TOKENS = st.text("!#$%&'*+-.^_`|~019abzABZ", min_size=1, max_size=8)
VALUES = st.text(st.characters(max_codepoint=0xFF, exclude_categories=["Cc"]), max_size=20).map(
    lambda text: text.strip(" ")
)
#: What is put in to damage a message.
DAMAGE = st.sampled_from(
    [b"\r", b"\n", b"\0", b" ", b"\t", b":", b"\r\n", b"\r\n ", b"\x85", b"\x0b"]
) | st.binary(max_size=3)


def cut(data: bytes, cuts: list[float]) -> Iterator[bytes]:
    """``data`` in pieces, some of which may be empty."""
    places = sorted(round(place * len(data)) for place in cuts)
    for start, end in zip([0, *places], [*places, len(data)], strict=True):
        yield data[start:end]


def damaged(messages: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    """Messages with some bytes changed, which mostly makes them malformed."""
    return st.builds(_damage, messages, st.floats(0, 1), st.integers(0, 2), DAMAGE)


def _damage(data: bytes, place: float, removed: int, put: bytes) -> bytes:
    at = round(place * len(data))
    return data[:at] + put + data[at + removed :]


def trickle(data: bytes) -> list[bytes]:
    return [bytes((byte,)) for byte in data]


def head_bytes(first_line: str, *headers: tuple[str, str]) -> bytes:
    lines = [first_line, *(f"{name}: {value}" for name, value in headers)]
    return "".join(f"{line}\r\n" for line in [*lines, ""]).encode("latin-1")


def read_request(pieces: Iterable[bytes]) -> tuple[RequestHead | None, bytes]:
    """The head, and what came behind it."""
    return _read(RequestReader(), pieces)


def read_response(pieces: Iterable[bytes]) -> tuple[ResponseHead | None, bytes]:
    return _read(ResponseReader(), pieces)


def _read(reader: HeadReader[HeadT], pieces: Iterable[bytes]) -> tuple[HeadT | None, bytes]:
    head, rest = None, b""
    for piece in pieces:
        used = 0
        if head is None:
            head, used = reader.receive(memoryview(piece))
            assert head is not None or used == len(piece)
        rest += piece[used:]
    return head, rest


@dataclass
class Followed:
    """How a body was read."""

    taken: bytes = b""
    content: bytes = b""
    rest: bytes = b""


def follow(body: Body, pieces: Iterable[bytes]) -> Followed:
    """Read a body out of pieces."""
    followed = Followed()
    for piece in pieces:
        content: list[memoryview] = []
        used = body.receive(memoryview(piece), content)
        assert body.is_complete or used == len(piece)
        followed.taken += piece[:used]
        followed.content += b"".join(content)
        followed.rest += piece[used:]
    return followed


def an_exchange(
    *headers: tuple[str, str], method: str = "GET", version: tuple[int, int] = (1, 1)
) -> Exchange:
    """The exchange of a request for http://h:81/a."""
    return Exchange(RequestHead(method, "http://h:81/a", version, (("Host", "h"), *headers)))


def serve(served: Exchange, *data: bytes) -> bytes:
    """What the client gets of what the server sends, all of which is used."""
    got = b""
    for piece in data:
        pieces, used = served.from_server(memoryview(piece))
        assert used == len(piece)
        got += b"".join(pieces)
    return got


def head_and_body(data: bytes) -> tuple[list[tuple[str, str]], bytes]:
    """The headers of a response, and all that comes behind them."""
    head, body = read_response([data])
    assert head
    return list(head.headers), body


@dataclass
class Oracle:
    """What h11 has read: the same questions that the tests ask of our own readers."""

    head: h11.Request | h11.Response | h11.InformationalResponse
    content: bytes = b""
    is_complete: bool = False
    rest: bytes = b""
    headers: list[tuple[str, str]] = field(default_factory=list)


def ask_h11(data: bytes, *, method: str = "", ended: bool = False) -> Oracle | None:
    """Let h11 read a request, or the response to one with ``method``; None if it refuses."""
    connection = h11.Connection(
        h11.CLIENT if method else h11.SERVER, max_incomplete_event_size=len(data) + 1
    )
    if method:
        connection.send(h11.Request(method=method, target="/", headers=[("Host", "h")]))
        connection.send(h11.EndOfMessage())
    try:
        connection.receive_data(data)
        if ended and data:
            connection.receive_data(b"")
        head = connection.next_event()
        if not isinstance(head, h11.Request | h11.Response | h11.InformationalResponse):
            return None
        oracle = Oracle(head)
        oracle.headers = [
            (name.decode("latin-1"), value.decode("latin-1"))
            for name, value in head.headers.raw_items()
        ]
        while isinstance(event := connection.next_event(), h11.Data):
            oracle.content += bytes(event.data)
        oracle.is_complete = isinstance(event, h11.EndOfMessage)
        oracle.rest = connection.trailing_data[0]
    except h11.RemoteProtocolError:
        return None
    return oracle
