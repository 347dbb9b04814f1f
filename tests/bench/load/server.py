"""A server as a process: `serve` runs on each connection that it accepts."""

import socket
import sys
from collections.abc import Callable

from .loop import READ, Loop, Task

Serve = Callable[[socket.socket], Task[None]]


def serve_for_ever(serve: Serve) -> None:
    """Say where on standard error ("listening on 127.0.0.1:PORT"), and serve until killed."""
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener, Loop() as loop:
        announce(listener)
        loop.start(listener, _accept(listener, loop, serve))
        loop.run()


def announce(sock: socket.socket) -> None:
    """Say where we can be found."""
    print("listening on {}:{}".format(*sock.getsockname()), file=sys.stderr, flush=True)


def _accept(listener: socket.socket, loop: Loop, serve: Serve) -> Task[None]:
    while True:
        try:
            sock, _ = listener.accept()
        except BlockingIOError:
            yield READ
            continue
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        loop.start(sock, serve(sock))
