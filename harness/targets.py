"""Servers on the host's loopback for a guest to reach: a file by HTTP, and an echo."""

from __future__ import annotations

import hashlib
import random
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TypeVar

LOOPBACK = "127.0.0.1"
CHUNK = 256 * 1024
Server = TypeVar("Server", bound=socketserver.BaseServer)


def payload(size: int, seed: int = 1) -> bytes:
    """`size` bytes that do not compress and are the same for the same seed."""
    return random.Random(seed).randbytes(size)


def sha256(data: bytes) -> str:
    """The checksum as `sha256sum` prints it."""
    return hashlib.sha256(data).hexdigest()


class _FileHandler(BaseHTTPRequestHandler):
    """GET gives the server's file; PUT answers with the checksum of what came."""

    protocol_version = "HTTP/1.1"
    timeout = 120

    def do_GET(self) -> None:
        """Send the file."""
        assert isinstance(self.server, FileServer)
        self._answer(self.server.content)

    def do_PUT(self) -> None:
        """Take a body of known length."""
        left = int(self.headers["Content-Length"])
        digest = hashlib.sha256()
        while left and (data := self.rfile.read(min(left, CHUNK))):
            digest.update(data)
            left -= len(data)
        self._answer(digest.hexdigest().encode() if not left else b"cut short")

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as the base class
        """Say nothing: requests are not news here."""


class FileServer(ThreadingHTTPServer):
    """Serves one file under every path, at `url`."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, content: bytes, address: str = LOOPBACK) -> None:
        super().__init__((address, 0), _FileHandler)
        self.content = content
        self.port = int(self.server_address[1])
        self.url = f"http://{address}:{self.port}/file"

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hung up is a part of some tests, not an error of the server's."""


class _EchoHandler(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        while data := self.request.recv(65536):
            self.request.sendall(data)


class EchoServer(socketserver.ThreadingTCPServer):
    """Sends back what it gets."""

    daemon_threads = True
    request_queue_size = 64
    disable_nagle_algorithm = True

    def __init__(self) -> None:
        super().__init__((LOOPBACK, 0), _EchoHandler)
        self.port = int(self.server_address[1])

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hung up is no error."""


@contextmanager
def serving(server: Server) -> Iterator[Server]:
    """Serve in a thread until the end of the block."""
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), name="target", daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
