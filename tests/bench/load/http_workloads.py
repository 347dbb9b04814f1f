"""What is measured of HTTP through a proxy: pages, a download, tunnels."""

import socket
import time
from dataclasses import dataclass

from .figures import Figures, Scale, Workload
from .http import Origin
from .loop import Loop, Task
from .rate import per_second
from .route import Route
from .visits import visits_per_second

PAGE = 64
"""Bytes of a page's body."""
DEADLINE = 120.0
"""Seconds after which a download is given up."""


@dataclass(frozen=True, slots=True)
class HttpRoutes:
    """Two ways of the proxy to two targets."""

    origin: Origin
    """By passing on requests."""
    tunnel: Route
    """By CONNECT."""


def warm_up(routes: HttpRoutes, scale: Scale) -> None:
    """Have every buffer, cache and code path of the daemons used once."""
    for concurrency in (1, 16):
        _pages_per_second(routes.origin, scale.seconds, concurrency)
        visits_per_second(routes.tunnel, scale.seconds, concurrency)
    get_bulk(routes, scale)


def get1(routes: HttpRoutes, scale: Scale) -> Figures:
    return {"pages 1": _pages_per_second(routes.origin, scale.seconds, 1)}


def get16(routes: HttpRoutes, scale: Scale) -> Figures:
    return {"pages 16": _pages_per_second(routes.origin, scale.seconds, 16)}


def get_bulk(routes: HttpRoutes, scale: Scale) -> Figures:
    with Loop() as loop:
        begin = time.perf_counter()
        sock = routes.origin.open()
        loop.start(sock, routes.origin.get(sock, scale.size))
        loop.run(DEADLINE)
        return {"download": scale.size / 1e6 / (time.perf_counter() - begin)}


def tunnel1(routes: HttpRoutes, scale: Scale) -> Figures:
    return {"tunnels 1": visits_per_second(routes.tunnel, scale.seconds, 1)}


def tunnel16(routes: HttpRoutes, scale: Scale) -> Figures:
    return {"tunnels 16": visits_per_second(routes.tunnel, scale.seconds, 16)}


def _pages_per_second(origin: Origin, seconds: float, concurrency: int) -> float:
    """Each by a connection of its own."""

    def get(sock: socket.socket) -> Task[None]:
        return origin.get(sock, PAGE)

    return per_second(origin.open, get, seconds, concurrency)


HTTP_WORKLOADS: dict[str, Workload[HttpRoutes]] = {
    "get1": get1,
    "get16": get16,
    "get-bulk": get_bulk,
    "tunnel1": tunnel1,
    "tunnel16": tunnel16,
}
