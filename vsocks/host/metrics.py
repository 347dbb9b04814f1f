"""What Prometheus is told. Nothing is counted for it: what there is anyway is read when it asks.

The labels are machines, which the configuration names, and words of this program's: a guest can
make no new ones.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Final

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
)

from vsocks import __version__

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Collection, Iterable, Iterator, Mapping

    from prometheus_client.core import Metric

    from vsocks.host.daemon import Host

    #: The values of one machine, each with the labels that it has beside the machine's.
    Read = Callable[[Host], Iterable[tuple[tuple[str, ...], float]]]


async def metrics(
    machines: Collection[str], hosts: Mapping[str, Host]
) -> AsyncGenerator[str, None]:
    """The exposition, in pieces of whole lines, between which others have their turns.

    It is of the machines that are served, and of the daemons of those that run.
    """
    for family in (*_of_the_daemon(len(machines)), *_of_machines(hosts)):
        yield generate_latest(_One(family)).decode()
        await asyncio.sleep(0)
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    yield generate_latest(registry).decode()


@dataclass(frozen=True, slots=True)
class _One:
    """One family, where a registry is wanted."""

    family: Metric

    def collect(self) -> Iterator[Metric]:
        yield self.family


def _of_the_daemon(machines: int) -> Iterator[Metric]:
    info = InfoMetricFamily("vsocks", "The daemon that is asked")
    info.add_metric([], {"version": __version__})
    yield info
    yield GaugeMetricFamily("vsocks_machines", "Machines that are served", machines)


def _of_machines(hosts: Mapping[str, Host]) -> Iterator[Metric]:
    for each in _FAMILIES:
        make = CounterMetricFamily if each.name.endswith("_total") else GaugeMetricFamily
        family = make(each.name, each.text, labels=["machine", *each.labels])
        for machine, host in hosts.items():
            for values, value in each.read(host):
                family.add_metric([machine, *values], value)
        yield family
    times = HistogramMetricFamily(
        "vsocks_lookup_seconds",
        "How long look-ups by the system took, for connections and questions",
        labels=["machine"],
    )
    for machine, host in hosts.items():
        counted = host.resolver.times
        buckets = [("+Inf" if up_to == inf else str(up_to), n) for up_to, n in counted.up_to]
        times.add_metric([machine], buckets, counted.sum)
    yield times


@dataclass(frozen=True, slots=True)
class _Family:
    """What is told of each machine; a counter if it is a total."""

    name: str
    text: str
    read: Read
    labels: tuple[str, ...] = ()


# -- what is read of a machine -------------------------------------------------------------


def _one(value: Callable[[Host], float]) -> Read:
    return lambda host: [((), value(host))]


def _of_load(name: str) -> Read:
    """What the session has on its way, if one stands and that is known."""

    def read(host: Host) -> Iterator[tuple[tuple[str, ...], float]]:
        value = getattr(host.link.load, name, None)
        if value is not None:
            yield (), value

    return read


def _standing(host: Host) -> Iterator[tuple[tuple[str, ...], float]]:
    standing = host.ledger.standing()
    for kind in host.ledger.accounts:
        yield (kind.value,), standing[kind]


def _attempts(host: Host) -> Iterator[tuple[tuple[str, ...], float]]:
    for kind, account in host.ledger.accounts.items():
        for result, count in account.results.items():
            yield (kind.value, result), count


def _refusals(host: Host) -> Iterator[tuple[tuple[str, ...], float]]:
    for kind, count in host.ledger.refusals.items():
        yield (kind.value,), count


def _bytes(host: Host) -> Iterator[tuple[tuple[str, ...], float]]:
    for kind, (sent, received) in host.ledger.moved().items():
        yield (kind.value, "sent"), sent
        yield (kind.value, "received"), received


def _questions(host: Host) -> Iterator[tuple[tuple[str, ...], float]]:
    for (kind, result), count in host.questions.results.items():
        yield (kind.value, result), count


_FAMILIES: Final = (
    _Family(
        "vsocks_channel_open",
        "Whether the channel is open",
        _one(lambda host: host.link.channel_open),
    ),
    _Family(
        "vsocks_session_up",
        "Whether a session stands",
        _one(lambda host: host.link.has_session),
    ),
    _Family("vsocks_sessions_total", "Sessions so far", _one(lambda host: host.link.sessions)),
    _Family(
        "vsocks_channel_unsent_bytes",
        "Bytes that wait because the channel takes no more",
        _one(lambda host: host.link.unsent),
    ),
    _Family(
        "vsocks_channel_unacked_bytes",
        "Bytes on their way to the guest that it has not acknowledged",
        _of_load("unacked"),
    ),
    _Family(
        "vsocks_channel_unacked_limit_bytes",
        "How many of these there may be",
        _of_load("limit"),
    ),
    _Family(
        "vsocks_channel_waiting_parcels",
        "Datagrams and answers that wait for their turn",
        _of_load("parcels"),
    ),
    _Family(
        "vsocks_channel_delay_seconds",
        "How long bytes or a ping last took to be acknowledged",
        _of_load("delay"),
    ),
    _Family(
        "vsocks_connections",
        "Connections that stand or are being made",
        _standing,
        ("kind",),
    ),
    _Family(
        "vsocks_connection_attempts_total",
        "Attempts to connect, by how they ended",
        _attempts,
        ("kind", "result"),
    ),
    _Family(
        "vsocks_refusals_total",
        "What a bound has refused, whatever its target",
        _refusals,
        ("kind",),
    ),
    _Family(
        "vsocks_bytes_total",
        "Bytes that guests have sent and received",
        _bytes,
        ("kind", "direction"),
    ),
    _Family(
        "vsocks_questions_total",
        "Look-ups and DNS queries, by how they ended",
        _questions,
        ("kind", "result"),
    ),
)
