"""HTTP servers that do as a test tells them, right or wrong: functions for `Target`."""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass

from tests.integration.support.http_message import MessageReader
from tests.integration.support.targets import Target


@dataclass(frozen=True)
class Request:
    """What a server got, with the names of the headers in small letters."""

    method: str
    path: str
    version: str
    headers: dict[str, str]
    body: bytes


class ServerConnection:
    """One connection as a server sees it."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self._reader = MessageReader(connection)

    def head(self) -> Request:
        """The next request, with nothing read behind its head. EOFError if there is none."""
        message = self._reader.head()
        return Request(*message.first, message.headers, b"")

    def request(self) -> Request:
        """The next request with its body. EOFError if there is none."""
        message = self._reader.head()
        return Request(*message.first, message.headers, self._reader.body(message, till_end=False))

    def rest(self) -> bytes:
        """All that the client still sends, to its end."""
        return self._reader.rest()

    def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        self.socket.sendall(data)


Script = Callable[[ServerConnection], object]


def scripted(script: Script) -> Callable[[socket.socket], object]:
    """For `Target`: does `script` with each connection."""
    return lambda connection: script(ServerConnection(connection))


def url(target: Target, path: str = "/") -> str:
    """What a client asks its proxy for."""
    return f"http://{target.address[0]}:{target.port}{path}"


def respond(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    """A whole response."""
    length = f"Content-Length: {len(body)}"
    return "\r\n".join([f"HTTP/1.1 {status}", *headers, length, "", ""]).encode() + body


def describe(server: ServerConnection) -> None:
    """Answer every request with what it was: method, path and body; keeps the connection."""
    try:
        while True:
            request = server.request()
            said = f"{request.method} {request.path} ".encode() + request.body
            server.send(respond(b"" if request.method == "HEAD" else said))
    except EOFError:
        return
