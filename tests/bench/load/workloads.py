"""What is measured: each workload runs on routes that are up and returns its figures by name."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from .bulk import Direction, background_download, bulk, download, upload
from .echo import round_trips
from .route import Route
from .visits import visit_times, visits_per_second

Figures = dict[str, float]


@dataclass(frozen=True, slots=True)
class Routes:
    """Two targets, or a keystroke would wait for downloads in the target, too."""

    bulk: Route
    small: Route


@dataclass(frozen=True, slots=True)
class Scale:
    """How much of everything; more is steadier."""

    size: int
    """Bytes of a bulk transfer."""
    seconds: float
    """Of everything that is counted or timed."""


Workload = Callable[[Routes, Scale], Figures]


def warm_up(routes: Routes, scale: Scale) -> None:
    """Have every buffer, cache and code path of the daemons used once."""
    for streams in (1, 16):
        bulk(routes.bulk, download, scale.size, streams)
        bulk(routes.bulk, upload, scale.size, streams)
        visits_per_second(routes.small, scale.seconds, streams)


def down1(routes: Routes, scale: Scale) -> Figures:
    return _bulk("down 1", routes, scale, download, 1)


def up1(routes: Routes, scale: Scale) -> Figures:
    return _bulk("up 1", routes, scale, upload, 1)


def down16(routes: Routes, scale: Scale) -> Figures:
    return _bulk("down 16", routes, scale, download, 16)


def _bulk(name: str, routes: Routes, scale: Scale, direction: Direction, streams: int) -> Figures:
    return {name: scale.size / 1e6 / bulk(routes.bulk, direction, scale.size, streams)}


def conn1(routes: Routes, scale: Scale) -> Figures:
    return {"connections 1": visits_per_second(routes.small, scale.seconds, 1)}


def conn16(routes: Routes, scale: Scale) -> Figures:
    return {"connections 16": visits_per_second(routes.small, scale.seconds, 16)}


def echo(routes: Routes, scale: Scale) -> Figures:
    return _percentiles("echo idle", round_trips(routes.small, scale.seconds))


def echo_bulk(routes: Routes, scale: Scale) -> Figures:
    with background_download(routes.bulk) as received:
        before, begin = received(), time.perf_counter()
        times = round_trips(routes.small, scale.seconds)
        rate = (received() - before) / (time.perf_counter() - begin)
    return {**_percentiles("echo + bulk", times), "bulk beside echo": rate / 1e6}


def connect_bulk(routes: Routes, scale: Scale) -> Figures:
    with background_download(routes.bulk):
        return _percentiles("connect + bulk", visit_times(routes.small, scale.seconds))


def _percentiles(name: str, seconds: list[float]) -> Figures:
    """p50 and p99 in milliseconds; no p99 of less than a hundred."""
    ranked = sorted(seconds)
    figures = {f"{name} p50": ranked[len(ranked) // 2] * 1e3}
    if len(ranked) >= 100:
        figures[f"{name} p99"] = ranked[len(ranked) * 99 // 100] * 1e3
    return figures


BULK: dict[str, Workload] = {"down1": down1, "up1": up1, "down16": down16}
"""Those that move Scale.size bytes and have a single figure, MB/s."""

VISITS: dict[str, Workload] = {"conn1": conn1, "conn16": conn16}
"""Those that last Scale.seconds and have a single figure, connections a second."""

WORKLOADS: dict[str, Workload] = {
    **BULK,
    **VISITS,
    "echo": echo,
    "echo+bulk": echo_bulk,
    "connect+bulk": connect_bulk,
}
