"""Any client and any server of an HTTP request that is passed on, in any pieces, by turns."""

from __future__ import annotations

from tests.fuzz.feed import Feed
from vsocks.http1.errors import HttpError
from vsocks.http1.exchange import Exchange
from vsocks.http1.head import RequestHead
from vsocks.proxy.pages import exchange_failure

LIMIT = 500
METHODS = ["GET", "HEAD", "POST", "OPTIONS"]
HEADERS = [
    ("Connection", "close"),
    ("Connection", "upgrade"),
    ("Upgrade", "websocket"),
    ("Content-Length", "300"),
    ("Transfer-Encoding", "chunked"),
    ("Expect", "100-continue"),
]


def run(data: bytes) -> None:
    feed = Feed(data)
    chosen = feed.number(1)
    headers = tuple(header for bit, header in enumerate(HEADERS) if chosen >> bit & 1)
    head = RequestHead(METHODS[feed.below(4)], "http://h/", (1, feed.below(2)), headers)
    try:
        exchange = Exchange(head, LIMIT)
    except HttpError:
        return
    got = b""
    try:
        while feed:
            got += step(exchange, feed)
            assert not exchange.server_stays or exchange.client_stays
            assert len(exchange._response._reader._lines._line) <= LIMIT
    except HttpError as error:
        check_failure(exchange, error, got)


def check_failure(exchange: Exchange, error: HttpError, got: bytes) -> None:
    """There is a page for a client that has no response yet, and nothing goes on."""
    assert error.reason.isprintable()
    assert not exchange.client_stays
    page = exchange_failure(exchange, error.status, error.reason)
    assert bool(page) == is_unanswered(got)


def step(exchange: Exchange, feed: Feed) -> bytes:
    """One side says something, or ends; returns what the client gets."""
    match feed.below(8):
        case 0:
            exchange.client_ended()
        case 1:
            exchange.server_ended()
        case 2 | 3:
            said = feed.blob()
            tunnel, complete = exchange.is_tunnel, exchange.is_request_complete
            pieces, used = exchange.from_client(memoryview(said))
            assert b"".join(pieces) == said[:used]
            assert used == (len(said) if tunnel else 0 if complete else used)
            assert used == len(said) or exchange.is_request_complete
        case _:
            said = feed.blob()
            pieces, used = exchange.from_server(memoryview(said))
            assert used == len(said) or exchange.is_complete
            return b"".join(pieces)
    return b""


def is_unanswered(got: bytes) -> bool:
    """Whether the client has interim responses at most."""
    while got.startswith(b"HTTP/1.1 1") and not got.startswith(b"HTTP/1.1 101 "):
        got = got.partition(b"\r\n\r\n")[2]
    return not got


def _says(side: int, said: bytes) -> bytes:
    return bytes([side, len(said)]) + said


def _seeds() -> list[bytes]:
    client, server = 2, 4
    ends = b"\x01"
    chunks = b"5\r\nhello\r\n0a;x\r\n, world!!!\r\n0\r\nX: y\r\n\r\n"
    ok = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
    in_chunks = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    closing = b"HTTP/1.0 200 OK\nServer: x\n\nhello"
    early = b"HTTP/1.1 100 \r\n\r\n"
    switch = b"HTTP/1.1 101 \r\nUpgrade: websocket\r\n\r\nhello"
    gets = [ok, ok + ok, in_chunks + chunks, closing, early + ok, ok[:-1]]
    seeds = [bytes([0, method, 1]) + _says(server, said) for method in (0, 1) for said in gets]
    seeds += [bytes([0, 0, 0]) + _says(server, said) + ends for said in gets]
    posted = _says(client, chunks[:9]) + _says(client, chunks[9:] + b"next") + _says(server, ok)
    seeds.append(bytes([0x10, 2, 1]) + posted)
    seeds.append(bytes([0x28, 2, 1]) + _says(server, early) + _says(client, bytes(200)) * 2)
    tunnel = _says(server, switch) + _says(client, b"hello") + b"\x00" + ends
    seeds.append(bytes([6, 0, 1]) + tunnel)
    return seeds


SEEDS = _seeds()
