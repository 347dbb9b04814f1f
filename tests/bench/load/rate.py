"""How many things a second can be done, each on a connection of its own."""

import socket
import time
from collections.abc import Callable

from .loop import Loop, Task

GRACE = 20.0
"""Seconds for the last ones to end."""


def per_second(
    connect: Callable[[], socket.socket],
    start: Callable[[socket.socket], Task[None]],
    seconds: float,
    concurrency: int,
) -> float:
    """The rate at which tasks end while `concurrency` of them are under way."""
    started = 0

    with Loop() as loop:

        def next_one() -> None:
            nonlocal started
            if time.perf_counter() < stop:
                started += 1
                sock = connect()
                loop.start(sock, start(sock), next_one)

        begin = time.perf_counter()
        stop = begin + seconds
        for _ in range(concurrency):
            next_one()
        loop.run(seconds + GRACE)
        return started / (time.perf_counter() - begin)
