"""A small blocking SOCKS5 client, for what curl can't do."""

from __future__ import annotations

import enum
import ipaddress
import socket
import struct

from tests.integration.support.waiting import DEADLINE
from tests.support.receiving import receive_exactly

Address = tuple[str, int]

IPV4, NAME, IPV6 = 1, 3, 4
CONNECT, BIND, UDP_ASSOCIATE = 1, 2, 3


class Reply(enum.IntEnum):
    """The replies of RFC 1928, section 6."""

    SUCCEEDED = 0
    GENERAL_FAILURE = 1
    NOT_ALLOWED = 2
    NETWORK_UNREACHABLE = 3
    HOST_UNREACHABLE = 4
    REFUSED = 5
    TIMEOUT = 6
    COMMAND_NOT_SUPPORTED = 7
    ADDRESS_TYPE_NOT_SUPPORTED = 8


class RefusedError(Exception):
    """The proxy answered with something else than success."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(f"{int(reply)} ({reply.name})")
        self.reply = reply


def encode_request(target: Address, *, as_name: bool = False, command: int = CONNECT) -> bytes:
    """The SOCKS5 request for `target`: by its address if it is one, unless `as_name`."""
    host, port = target
    try:
        address = None if as_name else ipaddress.ip_address(host)
    except ValueError:
        address = None
    if address is None:
        name = host.encode()
        where = struct.pack("BB", NAME, len(name)) + name
    else:
        where = struct.pack("B", IPV4 if address.version == 4 else IPV6) + address.packed
    return struct.pack("BBB", 5, command, 0) + where + struct.pack(">H", port)


def dial(proxy: Address, *, deadline: float = DEADLINE) -> socket.socket:
    """A bare connection to the proxy, with `deadline` seconds for each thing done on it."""
    sock = socket.create_connection(proxy, timeout=deadline)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def greet(sock: socket.socket) -> None:
    """Agree on "no authentication"."""
    sock.sendall(b"\x05\x01\x00")
    answer = receive_exactly(sock, 2)
    assert answer == b"\x05\x00", f"the proxy chose {answer.hex()}"


def read_reply(sock: socket.socket) -> Reply:
    """The reply code, with all of the reply taken off the socket."""
    version, code, reserved, kind = receive_exactly(sock, 4)
    assert (version, reserved) == (5, 0), "not a SOCKS5 reply"
    assert kind in (IPV4, IPV6), "the bound address must be a literal one"
    receive_exactly(sock, (4 if kind == IPV4 else 16) + 2)
    return Reply(code)


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
