"""An HTTP client that sends any bytes, and reads answers strictly."""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from tests.integration.support.http_message import Message, MessageReader
from tests.support import socks
from tests.support.socks_messages import Address


@dataclass(frozen=True)
class Response:
    """What came, with the names of the headers in small letters."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode()


class HttpClient:
    """A connection to the proxy."""

    def __init__(self, proxy: Address) -> None:
        self.socket = socks.dial(proxy)
        self._reader = MessageReader(self.socket)

    def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        self.socket.sendall(data)

    def send_in_single_bytes(self, data: bytes) -> None:
        """The same in as many pieces as there are bytes."""
        for byte in data:
            self.socket.sendall(bytes((byte,)))

    def get(self, url: str, *headers: str) -> Response:
        """A whole GET request, and its response."""
        self.send(request("GET", url, *headers))
        return self.response()

    def head(self) -> Response:
        """The next head, with nothing read behind it."""
        return _response(self._reader.head(), b"")

    def response(self, *, to_head: bool = False) -> Response:
        """The next response, with its body."""
        message = self._reader.head()
        status = int(message.first[1])
        if to_head or status < 200 or status in (204, 304):
            return _response(message, b"")
        return _response(message, self._reader.body(message, till_end=True))

    def receive(self, count: int) -> bytes:
        """So many bytes."""
        return self._reader.exactly(count)

    def is_ended(self) -> bool:
        """Wait for the next thing: True if it is a clean end; raises if it is a reset."""
        return self._reader.is_ended()

    def rest(self) -> bytes:
        """All until the clean end; raises if it is a reset."""
        return self._reader.rest()

    def close(self) -> None:
        """Leave."""
        self.socket.close()

    def end(self) -> None:
        """Send no more."""
        self.socket.shutdown(socket.SHUT_WR)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _response(message: Message, body: bytes) -> Response:
    return Response(int(message.first[1]), message.headers, body)


def request(method: str, url: str, *headers: str, version: str = "1.1") -> bytes:
    """The head of a request to a proxy; `url` may also be what a CONNECT has."""
    host = url.split("/")[2] if "//" in url else url
    if url.startswith("/"):
        host = "localhost"  # one of the proxy's own pages
    lines = [f"{method} {url} HTTP/{version}", f"Host: {host}", *headers, "", ""]
    return "\r\n".join(lines).encode()


def get(proxy: Address, url: str, *headers: str) -> Response:
    """One GET on a connection of its own."""
    with HttpClient(proxy) as client:
        return client.get(url, *headers)


def status_page(proxy: Address) -> dict[str, str]:
    """What the proxy's page says of it, by the names of the lines there."""
    page = get(proxy, "/").text
    return dict(re.findall(r"<tr><th>([^<]*)<td>([^<\n]*)", page))
