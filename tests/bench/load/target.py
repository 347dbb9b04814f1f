"""The target: one server that pours out, swallows or echoes, as a nine-byte order asks.

python -m load.target      prints "listening on 127.0.0.1:PORT" and serves until it is killed
"""

import socket
import struct

from .loop import READ, Task
from .server import serve_for_ever
from .transfer import drain, pour, read_exactly, send_all

ORDER = struct.Struct("!cQ")
DOWN = b"D"
"""Pour out that many bytes, then close."""
UP = b"U"
"""Swallow that many bytes, then answer DONE."""
ECHO = b"E"
"""Send back whatever comes until its end."""
DONE = b"."

ENDLESS = 2**62

MESSAGE = 4096
"""Bytes an echo takes up at a time."""


def serve(sock: socket.socket) -> Task[None]:
    try:
        what, size = ORDER.unpack((yield from read_exactly(sock, ORDER.size)))
        if what == DOWN:
            yield from pour(sock, size)
        elif what == UP:
            yield from drain(sock, size)
            yield from send_all(sock, DONE)
        elif what == ECHO:
            yield from echo(sock)
    except ConnectionError:
        pass  # a client may leave at any time; that is how an endless download ends


def echo(sock: socket.socket) -> Task[None]:
    while True:
        try:
            data = sock.recv(MESSAGE)
        except BlockingIOError:
            yield READ
            continue
        if not data:
            return
        yield from send_all(sock, data)


if __name__ == "__main__":
    serve_for_ever(serve)
