"""Any client, any server, in any pieces: the same outcome, and what it promises."""

from __future__ import annotations

import re
from dataclasses import dataclass

import h11
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.unit.http1.pieces import CUTS, ask_h11, cut, damaged, head_bytes
from vsocks.http1.errors import HttpError
from vsocks.http1.exchange import Exchange
from vsocks.http1.head import RequestHead

pytestmark = pytest.mark.unit

LIMIT = 200

GET = RequestHead("GET", "http://h/", (1, 1), ())
CHUNKED = b"HTTP/1.1 200 \r\nTransfer-Encoding: chunked\r\n\r\n"
PADDED = rb"\r\n[0-9A-Fa-f]+[ \t]+;"
"""A chunk's size with space before its extension, which servers send and h11 doesn't take."""
CHUNKS = b"5\r\nhello\r\n6;a=b\r\n world\r\n0\r\nX: y\r\n\r\n"
INTERIM = [b"", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 \r\nLink: <a>\r\n\r\n"]
HEADERS = [
    ("Connection", "close"),
    ("Connection", "keep-alive"),
    ("Connection", "upgrade"),
    ("Upgrade", "x"),
    ("Content-Length", "5"),
    ("Transfer-Encoding", "chunked"),
    ("X", "y"),
]
REQUESTS = st.builds(
    lambda method, minor, headers: RequestHead(method, "http://h/", (1, minor), tuple(headers)),
    st.sampled_from(["GET", "HEAD", "POST", "OPTIONS"]),
    st.integers(0, 1),
    st.lists(st.sampled_from(HEADERS), max_size=3),
)
FROM_CLIENT = st.sampled_from([b"", b"hello", b"hell", b"hello, next", CHUNKS, CHUNKS + b"next"])
RESPONSES = st.builds(
    lambda interim, minor, status, headers, body: (
        b"".join(interim) + head_bytes(f"HTTP/1.{minor} {status} ", *headers) + body
    ),
    st.lists(st.sampled_from(INTERIM), max_size=2),
    st.integers(0, 1),
    st.sampled_from([101, 200, 200, 200, 204, 304, 404]),
    st.lists(st.sampled_from(HEADERS), max_size=3),
    FROM_CLIENT,
)
FROM_SERVER = RESPONSES | damaged(RESPONSES) | st.binary(max_size=50)


@dataclass
class Outcome:
    """All that can be told of an exchange from outside."""

    to_server: bytes
    to_client: bytes
    error: tuple[int, str] | None
    flags: tuple[bool, ...]
    kept: bytes


def go_through(
    head: RequestHead, client: list[bytes], server: list[bytes], ended: bool
) -> Outcome | None:
    """First all of the client, then all of the server; None if there is no exchange."""
    try:
        exchange = Exchange(head, LIMIT)
    except HttpError:
        return None
    to_server, to_client, kept, error = exchange.request, b"", b"", None
    try:
        for piece in client:
            pieces, used = exchange.from_client(memoryview(piece))
            to_server += b"".join(pieces)
            kept += piece[used:]
        for piece in server:
            pieces, used = exchange.from_server(memoryview(piece))
            to_client += b"".join(pieces)
            assert used == len(piece) or exchange.is_complete
        if ended:
            exchange.server_ended()
    except HttpError as raised:
        error = (raised.status, raised.reason)
    flags = (
        exchange.is_complete,
        exchange.is_tunnel,
        exchange.is_request_complete,
        exchange.client_stays,
        exchange.server_stays,
        exchange.is_repeatable,
    )
    assert not (exchange.server_stays and not exchange.client_stays)
    if error:
        assert error[1].isprintable()
        assert not exchange.client_stays
    return Outcome(to_server, to_client, error, flags, kept)


@given(REQUESTS, FROM_CLIENT | st.binary(max_size=30), FROM_SERVER, st.booleans(), CUTS, CUTS)
def test_any_split_gives_the_same(
    head: RequestHead,
    client: bytes,
    server: bytes,
    ended: bool,
    client_cuts: list[float],
    server_cuts: list[float],
) -> None:
    whole = go_through(head, [client], [server], ended)
    parts = go_through(head, list(cut(client, client_cuts)), list(cut(server, server_cuts)), ended)
    if whole is None or parts is None:
        assert whole == parts
    elif whole.error:
        # What came before the fault may have been passed on before it was seen.
        assert parts.error == whole.error
        assert parts.to_server.startswith(whole.to_server)
        assert parts.to_client.startswith(whole.to_client)
    else:
        assert parts == whole


@given(REQUESTS, FROM_CLIENT, FROM_SERVER, st.booleans())
@example(GET, b"", CHUNKED + b"6 ;a=b\r\n world\r\n0\r\n\r\n", False)
def test_a_complete_response_is_complete_and_the_same_to_h11(
    head: RequestHead, client: bytes, server: bytes, ended: bool
) -> None:
    outcome = go_through(head, [client], [server], ended)
    if outcome is None or outcome.error:
        return
    complete, tunnel, *_, stays, _, _ = outcome.flags
    if tunnel or not outcome.to_client:
        return
    final = outcome.to_client
    while final.startswith(b"HTTP/1.1 1"):
        final = final.partition(b"\r\n\r\n")[2]
    if not final:
        return
    oracle = ask_h11(final, method=head.method, ended=complete and not stays)
    if oracle is None:
        if re.search(PADDED, final):
            return
        # h11 doesn't take codings that it doesn't know; here they end with the connection.
        assert not stays
        codings = re.findall(rb"\r\ntransfer-encoding: (.*)(?=\r\n)", final, re.IGNORECASE)
        assert codings != [b"chunked"]
        assert codings
        return
    assert isinstance(oracle.head, h11.Response)
    assert oracle.is_complete == complete
    if complete:
        assert not oracle.rest
        close = b"close" in dict(oracle.head.headers).get(b"connection", b"")
        assert close == (not stays), "the client was told what will happen to its connection"


@given(REQUESTS, FROM_CLIENT)
def test_a_complete_request_is_complete_and_the_same_to_h11(
    head: RequestHead, client: bytes
) -> None:
    outcome = go_through(head, [client], [], ended=False)
    if outcome is None or outcome.error:
        return
    oracle = ask_h11(outcome.to_server)
    assert oracle
    assert oracle.is_complete == outcome.flags[2]
    assert not (oracle.is_complete and oracle.rest)
    assert outcome.to_server.endswith(client.removesuffix(outcome.kept))
