"""What a host daemon has told, as lines for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from vsocks.control.messages import (
    Connection,
    Daemon,
    Forward,
    Judgement,
    Machine,
    MetricsText,
)
from vsocks.errors import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from vsocks.control.messages import Item

HEADS: Final = {
    Machine: ("MACHINE", "SESSION", "CONNECTIONS", "SENT", "RECEIVED"),
    Connection: (
        *("ID", "MACHINE", "NUMBER", "KIND", "TARGET", "ADDRESS"),
        *("SENT", "RECEIVED", "AGE"),
    ),
    Forward: ("MACHINE", "LISTENS AT", "IN THE GUEST"),
    Judgement: ("ADDRESS", "PORT", "VERDICT", "RULE"),
}
"""The heads of the columns, by what a line is about."""

_UNITS: Final = ("B", "KiB", "MiB", "GiB", "TiB")
_MINUTE: Final = 60
_HOUR: Final = 3600
_DAY: Final = 86400


def lines_of(items: Iterable[Item]) -> Iterator[str]:
    """A line of heads and one for each item that is a row; others are lines of their own."""
    rows: list[Sequence[str]] = []
    for item in items:
        match item:
            case Daemon():
                yield f"vsocks {item.release}, process {item.pid}, for {for_people(item.seconds)}"
            case MetricsText():
                yield item.text.removesuffix("\n")
            case _:
                rows = rows or [HEADS[type(item)]]
                rows.append(row_of(item))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield "  ".join(cells).rstrip()


def row_of(item: Machine | Connection | Forward | Judgement) -> Sequence[str]:
    """The cells of one line, as HEADS names them."""
    match item:
        case Machine():
            cells = [
                item.name,
                _session(item),
                str(item.connections),
                size(item.sent),
                size(item.received),
            ]
        case Connection():
            cells = [
                str(item.id),
                item.machine,
                item.number,
                item.kind,
                target_of(item),
                item.address or ("-" if item.connected else "connecting"),
                size(item.sent),
                size(item.received),
                for_people(item.seconds),
            ]
        case Forward():
            cells = [item.machine, item.listen, item.target]
        case Judgement():
            address = item.address or f"{item.name}, whatever its address"
            cells = [address, str(item.port), "allowed" if item.allowed else "denied", item.rule]
    return [printable(cell) for cell in cells]


def target_of(connection: Connection) -> str:
    """Whom a connection is to, and from whom it came if it came to a forwarded port."""
    target = connection.target or "-"
    return f"{target} for {connection.client}" if connection.client else target


def size(count: float) -> str:
    """Bytes, for people."""
    power = 0
    while count >= 1024 and power < len(_UNITS) - 1:
        count /= 1024
        power += 1
    digits = 0 if not power or count >= 100 else 1
    return f"{count:.{digits}f} {_UNITS[power]}"


def for_people(seconds: float) -> str:
    """A time, in its two largest units."""
    whole = int(seconds)
    if whole < _MINUTE:
        return f"{whole}s"
    if whole < _HOUR:
        return f"{whole // _MINUTE}m{whole % _MINUTE:02}s"
    if whole < _DAY:
        return f"{whole // _HOUR}h{whole % _HOUR // _MINUTE:02}m"
    return f"{whole // _DAY}d{whole % _DAY // _HOUR:02}h"


def _session(machine: Machine) -> str:
    if machine.session_seconds is not None:
        return for_people(machine.session_seconds)
    return "none yet" if machine.channel_open else "no channel"
