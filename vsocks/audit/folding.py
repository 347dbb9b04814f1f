"""Folding: what happens again and again becomes one record with a count; the counts' sum is exact.

The first of its kind is written at once. Those that follow within some seconds are counted, and
written as one record then. A guest that does something new each time is bounded, too: beyond a rate
its records are folded by what they have in common, without name, address and port.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from vsocks.audit.record import Event, Kind
from vsocks.token_bucket import TokenBucket

if TYPE_CHECKING:
    from collections.abc import Hashable

    from vsocks.audit.record import Record

#: Seconds for which alike records are counted.
SECONDS: Final = 10.0
#: Different ones that are counted at once.
MOST: Final = 1024
#: Records a second, in the long run and at once, until different ones are folded.
RATE: Final = 200.0
BURST: Final = 4000
#: How many connections begin is bounded, so each has its lines.
_CONNECTIONS: Final = frozenset({Kind.CONNECT, Kind.BIND, Kind.FORWARD, Kind.ASSOCIATION})


@dataclass(slots=True)
class _Fold:
    """Records that are alike, since the last one that was written."""

    until: float
    record: Record | None = None

    def add(self, record: Record) -> None:
        if self.record is None:
            self.record = record
            return
        before = self.record
        self.record = replace(
            record,
            number=None,
            client=None,
            seconds=None,
            since=before.time if before.since is None else before.since,
            sent=before.sent + record.sent,
            received=before.received + record.received,
            count=before.count + record.count,
        )


class Folding:
    """Takes records and gives those that are to be written; ``now`` is a monotonic clock's."""

    def __init__(
        self, most: int = MOST, seconds: float = SECONDS, rate: float = RATE, burst: int = BURST
    ) -> None:
        self._most = most
        self._seconds = seconds
        self._budget = TokenBucket(rate, burst=burst)
        #: The one that is due first is the first.
        self._folds: OrderedDict[Hashable, _Fold] = OrderedDict()

    def add(self, record: Record, now: float) -> list[Record]:
        """What is to be written now that this has happened."""
        if record.kind in _CONNECTIONS and record.event in {Event.BEGIN, Event.END}:
            return [record]
        written = self.due(now)
        key = _key_of(record)
        fold = self._folds.get(key)
        if fold is None and not self._budget.take(now=now):
            record = replace(record, number=None, client=None, name=None, address=None, port=None)
            key = _key_of(record)
            fold = self._folds.get(key)
        if fold is not None:
            fold.add(record)
            return written
        if len(self._folds) >= self._most:
            written += _records([self._folds.popitem(last=False)[1]])
        self._folds[key] = _Fold(now + self._seconds)
        return [*written, record]

    def due(self, now: float) -> list[Record]:
        """Those that have been counted for long enough."""
        over = []
        while self._folds and next(iter(self._folds.values())).until <= now:
            over.append(self._folds.popitem(last=False)[1])
        return _records(over)

    def rest(self) -> list[Record]:
        """All that have been counted."""
        folds, self._folds = self._folds, OrderedDict()
        return _records(list(folds.values()))

    @property
    def due_at(self) -> float | None:
        """When due() has something to look at; None while nothing is counted."""
        return next(iter(self._folds.values())).until if self._folds else None


def _key_of(record: Record) -> Hashable:
    return (
        record.machine,
        record.kind,
        record.event,
        record.name,
        record.address,
        record.port,
        record.rule,
        record.end,
    )


def _records(folds: list[_Fold]) -> list[Record]:
    return [fold.record for fold in folds if fold.record is not None]
