"""What a client says to a SOCKS5 proxy (RFC 1928).

Step by step, as a client does that can't foresee the answers. It isn't the tests' client
(`tests/support/socks.py`): each step is a task of `loop`, which is lighter than what it measures,
and this folder is copied into a guest alone.
"""

import socket
from ipaddress import IPv4Address

from .loop import Task
from .transfer import read_exactly, send_all

Address = tuple[str, int]

GREETING = b"\x05\x01\x00"
NO_AUTHENTICATION = b"\x05\x00"
CONNECT = b"\x01"
UDP_ASSOCIATE = b"\x03"
REPLY_SIZE = 10
"""Of a reply that carries an IPv4 address, as every proxy here sends it."""


class ProxyError(ConnectionError):
    """The proxy refused; `code` is the reply's."""

    def __init__(self, code: int) -> None:
        super().__init__(f"the proxy refused: SOCKS reply {code}")
        self.code = code


def connect(sock: socket.socket, target: Address) -> Task[None]:
    """Have the proxy connect `sock` to the target."""
    yield from _request(sock, CONNECT, target)


def associate(sock: socket.socket) -> Task[Address]:
    """Where to send datagrams, as long as `sock` is open."""
    return (yield from _request(sock, UDP_ASSOCIATE, ("0.0.0.0", 0)))


def datagram_header(target: Address) -> bytes:
    """What goes before a datagram to the target."""
    return b"\x00\x00\x00" + _encoded(target)


def _request(sock: socket.socket, command: bytes, address: Address) -> Task[Address]:
    """The address in the proxy's reply."""
    yield from send_all(sock, GREETING)
    answer = yield from read_exactly(sock, len(NO_AUTHENTICATION))
    if answer != NO_AUTHENTICATION:
        raise ConnectionError(f"not a SOCKS5 proxy for us: it answered {answer.hex()}")
    yield from send_all(sock, b"\x05" + command + b"\x00" + _encoded(address))
    reply = yield from read_exactly(sock, REPLY_SIZE)
    if reply[1]:
        raise ProxyError(reply[1])
    return str(IPv4Address(reply[4:8])), int.from_bytes(reply[8:], "big")


def _encoded(address: Address) -> bytes:
    host, port = address
    return b"\x01" + socket.inet_aton(host) + port.to_bytes(2, "big")
