"""The way from a client to a target: straight, or through a SOCKS5 proxy (RFC 1928)."""

import socket
from dataclasses import dataclass

from .loop import Task, finish
from .transfer import read_exactly, send_all

Address = tuple[str, int]

GREETING = b"\x05\x01\x00"
NO_AUTHENTICATION = b"\x05\x00"
REPLY_SIZE = 10
"""Of a reply that carries an IPv4 address, as every proxy here sends it."""


class ProxyError(ConnectionError):
    """The proxy refused; `code` is the reply's."""

    def __init__(self, code: int) -> None:
        super().__init__(f"the proxy refused: SOCKS reply {code}")
        self.code = code


@dataclass(frozen=True, slots=True)
class Route:
    """Where to connect, and what to ask for there."""

    door: Address
    target: Address | None = None
    """What to ask of the SOCKS5 proxy behind the door; None: the door is the target."""

    def open(self) -> socket.socket:
        """A socket to the door, before anything was said.

        It is a plain blocking connect: to a listener on loopback the kernel answers at once.
        """
        sock = socket.socket()
        try:
            sock.connect(self.door)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except BaseException:
            sock.close()
            raise
        return sock

    def negotiate(self, sock: socket.socket) -> Task[None]:
        """Get through the proxy, step by step as a client does that can't foresee the answers."""
        if self.target is None:
            return
        yield from send_all(sock, GREETING)
        answer = yield from read_exactly(sock, len(NO_AUTHENTICATION))
        if answer != NO_AUTHENTICATION:
            raise ConnectionError(f"not a SOCKS5 proxy for us: it answered {answer.hex()}")
        host, port = self.target
        address = socket.inet_aton(host) + port.to_bytes(2, "big")
        yield from send_all(sock, b"\x05\x01\x00\x01" + address)
        reply = yield from read_exactly(sock, REPLY_SIZE)
        if reply[1]:
            raise ProxyError(reply[1])

    def dial(self, timeout: float = 20.0) -> socket.socket:
        """A blocking socket that leads to the target; each wait on it ends after `timeout` s."""
        sock = self.open()
        try:
            sock.settimeout(timeout)
            finish(self.negotiate(sock))
        except BaseException:
            sock.close()
            raise
        return sock
