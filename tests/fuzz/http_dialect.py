"""Any HTTP client of the guest's port, in any pieces, and the heads that go on to a server."""

from __future__ import annotations

from tests.fuzz.feed import Feed
from vsocks.address import Target, encode_address
from vsocks.http1.exchange import Exchange
from vsocks.proxy.http import HttpDialect
from vsocks.proxy.local import local_page
from vsocks.proxy.requests import Connect, DialectEvent, Forward, Refuse, ShowPage
from vsocks.proxy.status import ProxyStatus
from vsocks.proxy.users import NO_USERS, User, Users
from vsocks.reply import Reply

USERS = [NO_USERS, Users([User("a", "b")])]
LIMIT = 1000
STATUS = ProxyStatus("0", Target("127.0.0.1", 1080), "", 0, 64, 0, 16, 0)


def run(data: bytes) -> None:
    feed = Feed(data)
    users = USERS[feed.below(2)]
    sizes = [1 + feed.below(200) for _ in range(feed.below(8))]
    said = feed.take(len(data))
    in_pieces, whole = HttpDialect(users, LIMIT), HttpDialect(users, LIMIT)
    events = serve(in_pieces, pieces(said, sizes))
    assert events == serve(whole, [said]), "how the bytes were cut makes a difference"
    assert len(events) <= 1
    assert in_pieces.leftover == whole.leftover
    for event in events:
        check(event, whole)


def pieces(data: bytes, sizes: list[int]) -> list[bytes]:
    parts = []
    for size in sizes:
        parts.append(data[:size])
        data = data[size:]
    return [*parts, data]


def serve(dialect: HttpDialect, parts: list[bytes]) -> list[DialectEvent]:
    events: list[DialectEvent] = []
    for part in parts:
        events += dialect.receive(part)
        assert len(dialect._reader._lines._line) <= LIMIT
    return events


def check(event: DialectEvent, dialect: HttpDialect) -> None:
    match event:
        case Refuse(page, reason):
            assert page.startswith(b"HTTP/1.1 ")
            assert reason.isprintable()
            assert not dialect.leftover
        case Connect(target):
            assert encode_address(target)
            assert dialect.reply(Reply.SUCCEEDED).startswith(b"HTTP/1.1 200 ")
        case Forward(head):
            exchange = Exchange(head)
            assert encode_address(exchange.target)
            check_request(exchange.request)
        case ShowPage(head):
            assert local_page(head, STATUS).startswith(b"HTTP/1.1 ")
        case _:
            raise AssertionError(event)


def check_request(request: bytes) -> None:
    """One head, with one Host and at most one thing that says where the body ends."""
    head, end, rest = request.partition(b"\r\n\r\n")
    assert end
    assert not rest
    lines = head.split(b"\r\n")
    assert not any(byte in line for line in lines for byte in b"\r\n\0")
    names = [line.partition(b":")[0].lower() for line in lines[1:]]
    assert names.count(b"host") == 1
    assert names.count(b"content-length") + names.count(b"transfer-encoding") <= 1
    assert b"proxy-authorization" not in names


def _seeds() -> list[bytes]:
    host = b"Host: h\r\n"
    heads = [
        b"CONNECT h:443 HTTP/1.1\r\n" + host,
        b"CONNECT [::1]:443 HTTP/1.0\r\n",
        b"GET http://u:p@h:81/a?b#c HTTP/1.1\r\n" + host + b"Connection: x, close\r\nX: y\r\n",
        b"POST http://h HTTP/1.1\r\n" + host + b"Transfer-Encoding: chunked\r\n",
        b"POST http://h HTTP/1.0\r\n" + host + b"Content-Length: 5, 5\r\n",
        b"GET http://h/ HTTP/1.1\r\n" + host + b"Connection: upgrade\r\nUpgrade: websocket\r\n",
        b"TRACE http://h/ HTTP/1.1\r\n" + host + b"Max-Forwards: 0\r\nCookie: c\r\n",
        b"OPTIONS http://h HTTP/1.1\r\n" + host + b"Max-Forwards: 1\r\n",
        b"GET /proxy.pac HTTP/1.1\r\n" + host,
        b"GET https://h/ HTTP/1.1\r\n" + host,
        b"GET / HTTP/1.1\r\nX : y\r\n",
    ]
    known = b"GET http://h/ HTTP/1.1\r\nProxy-Authorization: Basic YTpi\r\n"
    seeds = [b"\x00\x02\x03\x20" + head + b"\r\nhello" for head in heads]
    return [*seeds, b"\x01\x00" + known + b"\r\n", b"\x01\x00" + heads[0] + b"\r\n"]


SEEDS = _seeds()
