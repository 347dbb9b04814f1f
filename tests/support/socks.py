"""A small blocking SOCKS5 client, for what curl can't do.

This file is copied into guests, too, so it needs nothing but the standard library.
"""

from __future__ import annotations

import ipaddress
import socket
import struct

from tests.support.receiving import receive_exactly
from tests.support.socks_messages import (
    ANSWER_START,
    CONNECT,
    GREETING,
    WELCOME,
    Address,
    Answer,
    RefusedError,
    Reply,
    decode_answer,
    encode_request,
    rest_of_answer,
)

DEADLINE = 20.0
"""Seconds for each thing done on a connection, if nothing else is said."""

User = tuple[str, str]


def dial(proxy: Address, *, deadline: float = DEADLINE) -> socket.socket:
    """A bare connection to the proxy, with `deadline` seconds for each thing done on it."""
    sock = socket.create_connection(proxy, timeout=deadline)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def greet(sock: socket.socket) -> None:
    """Agree on "no authentication"."""
    sock.sendall(GREETING)
    answer = receive_exactly(sock, len(WELCOME))
    assert answer == WELCOME, f"the proxy chose {answer.hex()}"


def greet_as(sock: socket.socket, user: User | None) -> bool:
    """Say who we are, if anybody (RFC 1929); False if the proxy won't have that."""
    if user is None:
        greet(sock)
        return True
    name, password = (each.encode() for each in user)
    sock.sendall(b"\x05\x01\x02")
    method = receive_exactly(sock, 2)
    if method != b"\x05\x02":
        assert method == b"\x05\xff", f"the proxy chose {method.hex()}"
        return False
    sock.sendall(struct.pack("BB", 1, len(name)) + name + bytes((len(password),)) + password)
    version, status = receive_exactly(sock, 2)
    assert version == 1
    return status == 0


def read_answer(sock: socket.socket) -> Answer:
    """One whole answer, and not a byte of what comes after it."""
    start = receive_exactly(sock, ANSWER_START)
    return decode_answer(start + receive_exactly(sock, rest_of_answer(start)))


def read_reply(sock: socket.socket) -> Reply:
    """The reply in an answer to a CONNECT."""
    answer = read_answer(sock)
    ipaddress.ip_address(answer.host)  # the bound address must be a literal one
    return answer.reply


def request(
    proxy: Address,
    target: Address,
    *,
    command: int = CONNECT,
    as_name: bool = False,
    user: User | None = None,
    deadline: float = DEADLINE,
) -> tuple[socket.socket, Answer]:
    """Ask for something; the connection, which the caller owns, and the (first) answer."""
    sock = dial(proxy, deadline=deadline)
    try:
        assert greet_as(sock, user), f"the proxy won't have {user}"
        sock.sendall(encode_request(target, as_name=as_name, command=command))
        return sock, read_answer(sock)
    except BaseException:
        sock.close()
        raise


def answer_to(proxy: Address, target: Address, *, command: int, as_name: bool = False) -> Answer:
    """Ask for what needs nothing but an answer."""
    sock, answer = request(proxy, target, command=command, as_name=as_name)
    sock.close()
    return answer


def connect(
    proxy: Address, target: Address, *, as_name: bool = False, deadline: float = DEADLINE
) -> socket.socket:
    """A connection to `target` through `proxy`; RefusedError with the reply if it is refused."""
    sock = dial(proxy, deadline=deadline)
    try:
        greet(sock)
        sock.sendall(encode_request(target, as_name=as_name))
        reply = read_reply(sock)
    except BaseException:
        sock.close()
        raise
    if reply is not Reply.SUCCEEDED:
        sock.close()
        raise RefusedError(reply)
    return sock


def ask(
    proxy: Address, target: Address, *, as_name: bool = False, deadline: float = DEADLINE
) -> Reply:
    """Only the reply to a CONNECT; the connection, if there is one, is closed again."""
    try:
        connect(proxy, target, as_name=as_name, deadline=deadline).close()
    except RefusedError as refused:
        return refused.reply
    return Reply.SUCCEEDED
