"""What is measured of datagrams: round trips, and how many arrive of those that are sent."""

import itertools
import time
from collections.abc import Iterator
from functools import partial

from .datagram_target import ASK, COUNT, ECHO, TALLY
from .datagrams import Correspondence, DatagramRoute
from .figures import Figures, Scale, Workload, percentiles

SMALL = 64
LARGE = 1200
"""Bytes: a small one, and the largest that most programs send (QUIC's)."""
RATES = (1000, 3000, 10_000, None)
"""Datagrams a second that are offered; None: as many as the sender can."""
PATIENCE = 5.0
"""Seconds after which an echo is lost, and the measurement with it."""

_nonces = itertools.count()


def warm_up(route: DatagramRoute, scale: Scale) -> None:
    """Have every buffer, cache and code path of the daemons used once."""
    _send(route, SMALL, 1000, scale.seconds)
    _send(route, LARGE, 1000, scale.seconds)


def echo(route: DatagramRoute, scale: Scale) -> Figures:
    """One datagram there and back, then the next."""
    times = []
    with route.open() as there:
        there.ask(_question(ECHO))
        there.socket.settimeout(PATIENCE)
        packet = there.wrapped(_padded(ECHO, SMALL))
        begin = time.perf_counter()
        stop = begin + scale.seconds
        while (sent := time.perf_counter()) < stop:
            there.socket.send(packet)
            there.receive()
            times.append(time.perf_counter() - sent)
        rate = len(times) / (time.perf_counter() - begin)
    return {"round trips": rate, **percentiles("round trip", times)}


def flow(size: int, rate: int | None, route: DatagramRoute, scale: Scale) -> Figures:
    """Datagrams of `size` bytes one way, `rate` of them a second."""
    name = flow_name(size, rate)
    sent, arrived, seconds = _send(route, size, rate, scale.seconds)
    return {
        f"offered: {name}": sent / scale.seconds,
        f"delivered: {name}": arrived / max(seconds, scale.seconds),
        f"lost: {name}": 100 * (sent - arrived) / sent,
    }


def flow_name(size: int, rate: int | None) -> str:
    return f"{size} B, {f'{rate}/s' if rate else 'unlimited'}"


def _send(
    route: DatagramRoute, size: int, rate: int | None, seconds: float
) -> tuple[int, int, float]:
    """How many were sent and how many arrived, and seconds between the first and last of those."""
    sent = 0
    with route.straight() as straight, route.open() as there:
        there.ask(_question(ECHO))
        _tally(straight)
        packet = there.wrapped(_padded(COUNT, size))
        there.socket.settimeout(PATIENCE)
        for _ in _ticks(rate, seconds):
            there.socket.send(packet)
            sent += 1
        # Datagrams keep their order here: when this comes back, no other is on its way.
        there.ask(_question(ECHO))
        return sent, *_tally(straight)


def _ticks(rate: int | None, seconds: float) -> Iterator[None]:
    """Evenly over so many seconds; one that is late follows at once."""
    begin = time.perf_counter()
    if rate is None:
        while time.perf_counter() - begin < seconds:
            yield
        return
    for number in range(int(rate * seconds)):
        early = begin + number / rate - time.perf_counter()
        if early > 0:
            time.sleep(early)
        yield


def _tally(straight: Correspondence) -> tuple[int, float]:
    """How many have arrived since this was last asked, and seconds from the first to the last."""
    question = _question(ASK)
    count, seconds = TALLY.unpack(straight.ask(question)[len(question) :])
    return count, seconds


def _question(what: bytes) -> bytes:
    """One that was never asked before."""
    return what + next(_nonces).to_bytes(8, "big")


def _padded(what: bytes, size: int) -> bytes:
    return what.ljust(size, b".")


FLOWS = {f"udp{size}-{rate or 'max'}": (size, rate) for size in (SMALL, LARGE) for rate in RATES}

DATAGRAM_WORKLOADS: dict[str, Workload[DatagramRoute]] = {
    "udp-echo": echo,
    **{name: partial(flow, size, rate) for name, (size, rate) in FLOWS.items()},
}
