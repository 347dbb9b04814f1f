"""Bulk: down or up through any number of streams at once; a download in the background."""

import ctypes
import multiprocessing
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.synchronize import Event

from .loop import Loop, Task
from .route import Route
from .target import DONE, DOWN, ENDLESS, ORDER, UP
from .transfer import CHUNK, drain, pour, read_exactly, send_all

DEADLINE = 120.0
"""Seconds after which a bulk transfer is given up."""
FLOWING = 8 * 1024 * 1024
"""Bytes after which a background download has filled every buffer on its way."""


def download(route: Route, sock: socket.socket, size: int) -> Task[None]:
    yield from route.negotiate(sock)
    yield from send_all(sock, ORDER.pack(DOWN, size))
    yield from drain(sock, size)


def upload(route: Route, sock: socket.socket, size: int) -> Task[None]:
    """Ends when the target has said that it got everything."""
    yield from route.negotiate(sock)
    yield from send_all(sock, ORDER.pack(UP, size))
    yield from pour(sock, size)
    assert (yield from read_exactly(sock, len(DONE))) == DONE


Direction = Callable[[Route, socket.socket, int], Task[None]]


def bulk(route: Route, direction: Direction, size: int, streams: int = 1) -> float:
    """Seconds that `size` bytes took, in equal parts over so many streams at once."""
    with Loop() as loop:
        begin = time.perf_counter()
        for _ in range(streams):
            sock = route.open()
            loop.start(sock, direction(route, sock, size // streams))
        loop.run(DEADLINE)
        return time.perf_counter() - begin


@contextmanager
def background_download(route: Route) -> Iterator[Callable[[], int]]:
    """A download in a process of its own that flows before the body starts and until it ends.

    Yields a function that tells how many bytes it has received so far.
    """
    context = multiprocessing.get_context("spawn")
    received = context.RawValue(ctypes.c_uint64, 0)
    flowing = context.Event()
    process = context.Process(
        target=_download_forever, args=(route, received, flowing), daemon=True
    )
    process.start()
    try:
        if not flowing.wait(20):
            raise TimeoutError("the background download did not start to flow within 20 s")
        yield lambda: received.value
        if not process.is_alive():
            raise ConnectionError("the background download ended early")
    finally:
        process.kill()
        process.join()


def _download_forever(route: Route, received: ctypes.c_uint64, flowing: Event) -> None:
    buffer = bytearray(CHUNK)
    with route.dial() as sock:
        sock.sendall(ORDER.pack(DOWN, ENDLESS))
        while count := sock.recv_into(buffer):
            received.value += count
            if received.value >= FLOWING:
                flowing.set()
