"""A web server on loopback with large self-verifying files, for curl."""

from __future__ import annotations

import hashlib
import socket
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import ClassVar, Self

from tests.integration.support.waiting import DEADLINE
from tests.support.pattern import BLOCK, pattern


def file_digest(stream: int, length: int) -> str:
    """SHA-256 of the file that GET /STREAM/LENGTH answers with."""
    digest = hashlib.sha256()
    for offset in range(0, length, BLOCK):
        digest.update(pattern(stream, offset, min(BLOCK, length - offset)))
    return digest.hexdigest()


class _Handler(BaseHTTPRequestHandler):
    """GET /STREAM/LENGTH sends that much of the stream; PUT answers with the body's SHA-256."""

    timeout: ClassVar[float] = DEADLINE

    def do_GET(self) -> None:
        stream, length = map(int, self.path.strip("/").split("/"))
        self.send_response(200)
        self.send_header("Content-Length", str(length))
        self.end_headers()
        for offset in range(0, length, BLOCK):
            self.wfile.write(pattern(stream, offset, min(BLOCK, length - offset)))

    def do_PUT(self) -> None:
        left = int(self.headers["Content-Length"])
        digest = hashlib.sha256()
        while left:
            data = self.rfile.read(min(BLOCK, left))
            if not data:
                break
            digest.update(data)
            left -= len(data)
        self.send_response(200)
        self.end_headers()
        self.wfile.write(digest.hexdigest().encode())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        """Stay silent."""


class _Server(ThreadingHTTPServer):
    def __init__(self, host: str) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        super().__init__((host, 0), _Handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """Stay silent about a client that has left, which some do; anything else is a fault."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class HttpTarget:
    """The web server, from entering the context to leaving it."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        self._server = _Server(host)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self.port: int = self._server.server_address[1]
        self.root = f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._thread.join(DEADLINE)
        self._server.server_close()
