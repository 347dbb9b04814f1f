"""One record of the audit, and its line. docs/audit.md is the reader's side."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

#: Characters of a text in a line; what is longer was made to be long.
LONGEST_TEXT: Final = 300


class Kind(StrEnum):
    """What is told about."""

    CONNECT = "connect"
    BIND = "bind"
    FORWARD = "forward"
    ASSOCIATION = "association"
    DATAGRAMS = "datagrams"
    LOOK_UP = "look-up"
    REVERSE_LOOK_UP = "reverse-look-up"
    DNS = "dns"


class Event(StrEnum):
    """What of it."""

    #: It is allowed, and stands; an END follows.
    BEGIN = "begin"
    END = "end"
    #: It never stood: denied, refused or given up.
    FAILED = "failed"
    #: A question was answered.
    ANSWERED = "answered"


@dataclass(frozen=True, slots=True)
class Record:
    """What happened, once or ``count`` times."""

    #: As ISO 8601 has it.
    time: str
    machine: str
    kind: Kind
    event: Event
    #: The connection's name in the log of both daemons.
    number: str | None = None
    #: Who has connected to a forwarded port. (Whose connections the guest's are it alone knows.)
    client: str | None = None
    #: The name asked for; None if it was an address.
    name: str | None = None
    #: The address dialled; several if several were tried.
    address: str | None = None
    port: int | None = None
    allowed: bool = True
    #: The rule that decided, or the built-in; None where none has.
    rule: str | None = None
    #: Bytes from the guest to the other side, and back.
    sent: int = 0
    received: int = 0
    #: Seconds from its begin.
    seconds: float | None = None
    #: How it ended.
    end: str | None = None
    count: int = 1
    #: The time of the first, if it happened more than once.
    since: str | None = None


def line_of(record: Record) -> bytes:
    """The record's line: JSON in printable ASCII, and a line feed at its end.

    All texts are bounded, and escaped where they are neither printable nor ASCII: they may be the
    guest's, and whoever reads them may do so in a terminal.
    """
    told: dict[str, Any] = {
        "time": record.time,
        "machine": record.machine,
        "kind": record.kind.value,
        "event": record.event.value,
        "number": record.number,
        "client": record.client,
        "name": record.name,
        "address": record.address,
        "port": record.port,
        "allowed": record.allowed,
        "rule": record.rule,
        "sent": record.sent,
        "received": record.received,
        "seconds": None if record.seconds is None else round(record.seconds, 3),
        "end": record.end,
        "count": record.count,
    }
    if record.since is not None:
        told["since"] = record.since
    return _line({key: _bounded(value) for key, value in told.items()})


def lost_line(time: str, machine: str, count: int) -> bytes:
    """The line that stands for ``count`` records which could not be written."""
    return _line({"time": time, "machine": machine, "event": "lost", "count": count})


def _line(told: dict[str, Any]) -> bytes:
    # JSON leaves DEL as it is.
    return json.dumps(told).replace("\x7f", "\\u007f").encode("ascii") + b"\n"


def _bounded(value: Any) -> Any:
    if isinstance(value, str) and len(value) > LONGEST_TEXT:
        return f"{value[:LONGEST_TEXT]}..."
    return value
