"""The HTTP target: GET /N is answered with N bytes, request after request.

python -m load.http_target      prints "listening on 127.0.0.1:PORT" and serves until it is killed
"""

import re
import socket

from .http import read_head
from .loop import Task
from .server import serve_for_ever
from .transfer import pour, send_all

REQUEST = re.compile(rb"GET /(\d+) HTTP/1\.")
SMALL = 16384
"""Bytes of a body that leave in one piece with the head."""


def serve(sock: socket.socket) -> Task[None]:
    try:
        while True:
            head, _ = yield from read_head(sock)
            request = REQUEST.match(head)
            if request is None:
                return
            yield from _answer(sock, int(request[1]))
            if b"\r\nconnection: close" in head.lower():
                return
    except ConnectionError:
        pass  # the client has all that it wanted


def _answer(sock: socket.socket, size: int) -> Task[None]:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n" % size
    at_once = min(size, SMALL)
    yield from send_all(sock, head + bytes(at_once))
    yield from pour(sock, size - at_once)


if __name__ == "__main__":
    serve_for_ever(serve)
