"""How fast bytes move: the difference of what a daemon has told twice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from vsocks.control.messages import Connection, Machine

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vsocks.control.messages import Item


@dataclass(frozen=True, slots=True)
class Moving:
    """A machine or a connection, and how many bytes a second its guest sends and receives."""

    item: Machine | Connection
    sent: float
    received: float


class Rates:
    """Takes what a daemon tells, again and again."""

    def __init__(self) -> None:
        self._before: dict[object, Machine | Connection] = {}
        self._then = 0.0

    def add(self, items: Sequence[Item], now: float) -> Sequence[Moving]:
        """Those of ``items`` that move bytes; at first, and for what is new, nothing moves yet."""
        found = [item for item in items if isinstance(item, (Machine, Connection))]
        moving = [self._moving(item, now - self._then) for item in found]
        self._before, self._then = {_key(item): item for item in found}, now
        return moving

    def _moving(self, item: Machine | Connection, seconds: float) -> Moving:
        before = self._before.get(_key(item))
        if before is None or seconds <= 0:
            return Moving(item, 0.0, 0.0)
        # A machine whose daemon began anew has moved less than before.
        sent, received = max(0, item.sent - before.sent), max(0, item.received - before.received)
        return Moving(item, sent / seconds, received / seconds)


def _key(item: Machine | Connection) -> object:
    return item.name if isinstance(item, Machine) else item.id
