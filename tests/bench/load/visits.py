"""Visits: connect, one small question and its answer, close. How many a second, how long each."""

import socket
import time

from .loop import Task, finish
from .rate import GRACE, per_second
from .route import Route
from .target import ECHO, ORDER
from .transfer import read_exactly, send_all

QUESTION = b"?" * 64


def visit(route: Route, sock: socket.socket) -> Task[None]:
    yield from route.negotiate(sock)
    yield from send_all(sock, ORDER.pack(ECHO, 0) + QUESTION)
    assert (yield from read_exactly(sock, len(QUESTION))) == QUESTION


def visits_per_second(route: Route, seconds: float, concurrency: int) -> float:
    """The rate at which visits end while `concurrency` of them are under way."""

    def start(sock: socket.socket) -> Task[None]:
        return visit(route, sock)

    return per_second(route.open, start, seconds, concurrency)


def visit_times(route: Route, seconds: float) -> list[float]:
    """Seconds from connecting to the first answer, one visit after the other."""
    times = []
    stop = time.perf_counter() + seconds
    while (begin := time.perf_counter()) < stop:
        with route.open() as sock:
            sock.settimeout(GRACE)
            finish(visit(route, sock))
            times.append(time.perf_counter() - begin)
    return times
