"""What HTTP clients say to the proxy, for the tests of its dialect."""

from __future__ import annotations

from base64 import b64encode

import h11

from tests.unit.http1.pieces import ask_h11
from vsocks.proxy.http import HttpDialect
from vsocks.proxy.requests import DialectEvent, Refuse
from vsocks.proxy.users import User, Users

CONNECT = b"CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n"
GET = b"GET http://example.com/ HTTP/1.1\r\nHost: example.com\r\n\r\n"
PAGE = b"GET /proxy.pac HTTP/1.1\r\nHost: 127.0.0.1:1080\r\n\r\n"
USERS = Users([User("alice", "s:cret")])


def ask(data: bytes, users: Users | None = None) -> DialectEvent:
    [event] = (HttpDialect(users) if users else HttpDialect()).receive(data)
    return event


def status_of(event: DialectEvent) -> int:
    """The status of a refusal, whose page is whole."""
    assert isinstance(event, Refuse)
    assert event.reason
    assert event.reason.isprintable()
    oracle = ask_h11(event.data, method="GET")
    assert oracle
    assert oracle.is_complete
    assert isinstance(oracle.head, h11.Response)
    return oracle.head.status_code


def with_header(data: bytes, name: str, value: str) -> bytes:
    return data.replace(b"\r\n\r\n", f"\r\n{name}: {value}\r\n\r\n".encode("latin-1"))


def basic(pair: bytes) -> str:
    return "Basic " + b64encode(pair).decode()
