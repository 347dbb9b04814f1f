"""What is measured of connections; each workload returns its figures by name."""

import time
from dataclasses import dataclass

from .bulk import Direction, background_download, bulk, download, upload
from .echo import round_trips
from .figures import Figures, Scale, Workload, percentiles
from .route import Route
from .visits import visit_times, visits_per_second


@dataclass(frozen=True, slots=True)
class Routes:
    """Two targets, or a keystroke would wait for downloads in the target, too."""

    bulk: Route
    small: Route


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
    return percentiles("echo idle", round_trips(routes.small, scale.seconds))


def echo_bulk(routes: Routes, scale: Scale) -> Figures:
    with background_download(routes.bulk) as received:
        before, begin = received(), time.perf_counter()
        times = round_trips(routes.small, scale.seconds)
        rate = (received() - before) / (time.perf_counter() - begin)
    return {**percentiles("echo + bulk", times), "bulk beside echo": rate / 1e6}


def connect_bulk(routes: Routes, scale: Scale) -> Figures:
    with background_download(routes.bulk):
        return percentiles("connect + bulk", visit_times(routes.small, scale.seconds))


BULK: dict[str, Workload[Routes]] = {"down1": down1, "up1": up1, "down16": down16}
"""Those that move Scale.size bytes and have a single figure, MB/s."""

VISITS: dict[str, Workload[Routes]] = {"conn1": conn1, "conn16": conn16}
"""Those that last Scale.seconds and have a single figure, connections a second."""

WORKLOADS: dict[str, Workload[Routes]] = {
    **BULK,
    **VISITS,
    "echo": echo,
    "echo+bulk": echo_bulk,
    "connect+bulk": connect_bulk,
}
