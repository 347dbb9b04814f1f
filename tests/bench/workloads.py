"""What is measured: each workload runs on a way that is up and returns its figures by name."""

from collections.abc import Callable
from dataclasses import dataclass

from .load.bulk import Direction, background_download, bulk, download, upload
from .load.echo import round_trips
from .load.visits import visit_times, visits_per_second
from .peer import Way
from .usage import cpu_seconds

Figures = dict[str, float]


@dataclass(frozen=True, slots=True)
class Scale:
    """How much of everything; more is steadier."""

    size: int
    """Bytes of a bulk transfer."""
    seconds: float
    """Of everything that is counted or timed."""


FULL = Scale(size=1_000_000_000, seconds=1.5)
QUICK = Scale(size=250_000_000, seconds=0.5)
WARM_UP = Scale(size=30_000_000, seconds=0.1)

Workload = Callable[[Way, Scale], Figures]


def warm_up(way: Way) -> None:
    """Have every buffer, cache and code path of the daemons used once."""
    for streams in (1, 16):
        bulk(way.bulk, download, WARM_UP.size, streams)
        bulk(way.bulk, upload, WARM_UP.size, streams)
        visits_per_second(way.small, WARM_UP.seconds, streams)


def down1(way: Way, scale: Scale) -> Figures:
    return _bulk("down 1", way, scale, download, 1)


def up1(way: Way, scale: Scale) -> Figures:
    return _bulk("up 1", way, scale, upload, 1)


def down16(way: Way, scale: Scale) -> Figures:
    return _bulk("down 16", way, scale, download, 16)


def _bulk(name: str, way: Way, scale: Scale, direction: Direction, streams: int) -> Figures:
    pids = [daemon.pid for daemon in way.daemons]
    before = cpu_seconds(pids)
    seconds = bulk(way.bulk, direction, scale.size, streams)
    figures = {name: scale.size / 1e6 / seconds}
    if pids:
        figures[f"CPU {name}"] = (cpu_seconds(pids) - before) / (scale.size / 1e9)
    return figures


def conn1(way: Way, scale: Scale) -> Figures:
    return {"connections 1": visits_per_second(way.small, scale.seconds, 1)}


def conn16(way: Way, scale: Scale) -> Figures:
    return {"connections 16": visits_per_second(way.small, scale.seconds, 16)}


def echo(way: Way, scale: Scale) -> Figures:
    return _percentiles("echo idle", round_trips(way.small, scale.seconds))


def echo_bulk(way: Way, scale: Scale) -> Figures:
    with background_download(way.bulk) as received:
        before = received()
        figures = _percentiles("echo + bulk", round_trips(way.small, scale.seconds))
        figures["bulk beside echo"] = (received() - before) / 1e6 / scale.seconds
    return figures


def connect_bulk(way: Way, scale: Scale) -> Figures:
    with background_download(way.bulk):
        return _percentiles("connect + bulk", visit_times(way.small, scale.seconds))


def _percentiles(name: str, seconds: list[float]) -> Figures:
    """p50 and p99 in milliseconds."""
    ranked = sorted(seconds)
    return {
        f"{name} p50": ranked[len(ranked) // 2] * 1e3,
        f"{name} p99": ranked[len(ranked) * 99 // 100] * 1e3,
    }


WORKLOADS: dict[str, Workload] = {
    "down1": down1,
    "up1": up1,
    "down16": down16,
    "conn1": conn1,
    "conn16": conn16,
    "echo": echo,
    "echo+bulk": echo_bulk,
    "connect+bulk": connect_bulk,
}
