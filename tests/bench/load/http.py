"""What a client says to an HTTP proxy, and what servers here answer: as little as will do."""

import socket
from dataclasses import dataclass

from .loop import READ, Task
from .route import Route
from .socks5 import Address
from .transfer import drain, send_all

HEAD_END = b"\r\n\r\n"
MAX_HEAD = 8192
OK = b" 200 "


def read_head(sock: socket.socket) -> Task[tuple[bytes, bytes]]:
    """The head of a message, less the empty line, and what has come behind it."""
    data = b""
    while HEAD_END not in data:
        if len(data) > MAX_HEAD:
            raise ConnectionError(f"no head of a message: {data[:80]!r}")
        try:
            piece = sock.recv(MAX_HEAD)
        except BlockingIOError:
            yield READ
            continue
        if not piece:
            raise ConnectionError(f"closed within a head, after {data[:80]!r}")
        data += piece
    head, _, rest = data.partition(HEAD_END)
    return head, rest


def connect(sock: socket.socket, target: Address) -> Task[None]:
    """Have the proxy connect `sock` to the target."""
    name = _name(target)
    yield from send_all(sock, b"CONNECT %b HTTP/1.1\r\nHost: %b\r\n\r\n" % (name, name))
    head, _ = yield from read_head(sock)
    _require(OK, head)


@dataclass(frozen=True, slots=True)
class Origin:
    """A server that answers any GET with as many bytes as its path says."""

    server: Address
    proxy: Address | None = None

    def open(self) -> socket.socket:
        """A socket to the one who is asked."""
        return Route(self.proxy or self.server).open()

    def get(self, sock: socket.socket, size: int) -> Task[None]:
        """Ask for that many bytes, and get them. Leaves the connection as it is."""
        name = _name(self.server)
        prefix = b"http://" + name if self.proxy else b""
        yield from send_all(
            sock, b"GET %b/%d HTTP/1.1\r\nHost: %b\r\nAccept: */*\r\n\r\n" % (prefix, size, name)
        )
        head, body = yield from read_head(sock)
        _require(OK, head)
        _require(b"\r\ncontent-length: %d" % size, head.lower())
        yield from drain(sock, size - len(body))


def _name(address: Address) -> bytes:
    return b"%b:%d" % (address[0].encode(), address[1])


def _require(what: bytes, head: bytes) -> None:
    if what not in head:
        raise ConnectionError(f"not the answer that was wanted: {head[:200]!r}")
