"""The target: one server that pours out, swallows or echoes, as a nine-byte order asks.

python -m load.target      prints "listening on 127.0.0.1:PORT" and serves until it is killed
"""

import socket
import struct
import sys

from .loop import READ, Loop, Task
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


def accept(listener: socket.socket, loop: Loop) -> Task[None]:
    while True:
        try:
            sock, _ = listener.accept()
        except BlockingIOError:
            yield READ
            continue
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        loop.start(sock, serve(sock))


def main() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener, Loop() as loop:
        print(f"listening on 127.0.0.1:{listener.getsockname()[1]}", file=sys.stderr, flush=True)
        loop.start(listener, accept(listener, loop))
        loop.run()


if __name__ == "__main__":
    main()
