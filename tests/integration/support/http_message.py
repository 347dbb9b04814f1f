"""Reading HTTP/1 messages off a socket: just enough for tests, and nothing forgiven."""

from __future__ import annotations

import socket
from dataclasses import dataclass

from tests.support.receiving import receive_all

_BLOCK = 65536
_LONGEST_HEAD = 1 << 20


@dataclass(frozen=True)
class Message:
    """The head of a message: the words of its first line, and headers in small letters."""

    first: tuple[str, str, str]
    headers: dict[str, str]


class MessageReader:
    """Messages of one connection, one after the other. EOFError if it ends within one."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._buffer = b""

    def head(self) -> Message:
        """The next head."""
        while (end := self._buffer.find(b"\r\n\r\n")) < 0:
            assert len(self._buffer) < _LONGEST_HEAD
            self._more()
        lines = self._take(end + 4).decode("latin-1").split("\r\n")[:-2]
        version, status, reason = (*lines[0].split(" ", 2), "")[:3]
        headers: dict[str, str] = {}
        for line in lines[1:]:
            name, value = line.split(":", 1)
            key = name.lower()
            headers[key] = f"{headers[key]}, {value.strip()}" if key in headers else value.strip()
        return Message((version, status, reason), headers)

    def body(self, message: Message, *, till_end: bool) -> bytes:
        """The body of `message`, out of its chunks; without a length to the end, or none."""
        if message.headers.get("transfer-encoding") == "chunked":
            return self._chunks()
        if (length := message.headers.get("content-length")) is not None:
            return self.exactly(int(length))
        return self.rest() if till_end else b""

    def exactly(self, count: int) -> bytes:
        """So many bytes."""
        while len(self._buffer) < count:
            self._more()
        return self._take(count)

    def rest(self) -> bytes:
        """All until the clean end of the connection."""
        data, self._buffer = self._buffer + receive_all(self._socket), b""
        return data

    def is_ended(self) -> bool:
        """Wait for the next thing: whether it is the clean end."""
        return not self._buffer and self._socket.recv(1) == b""

    def _chunks(self) -> bytes:
        body = b""
        while size := int(self._line().partition(b";")[0], 16):
            body += self.exactly(size)
            assert self._line() == b""
        while self._line():
            pass
        return body

    def _line(self) -> bytes:
        while (end := self._buffer.find(b"\r\n")) < 0:
            self._more()
        return self._take(end + 2)[:-2]

    def _take(self, count: int) -> bytes:
        taken, self._buffer = self._buffer[:count], self._buffer[count:]
        return taken

    def _more(self) -> None:
        data = self._socket.recv(_BLOCK)
        if not data:
            raise EOFError(f"the connection ended behind {self._buffer[-200:]!r}")
        self._buffer += data
