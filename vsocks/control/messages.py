"""Requests and answers. docs/control.md is the reader's side.

An answer is any number of items, then Done or Failed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from vsocks.errors import (
    ForbiddenError,
    UnavailableError,
    UsageError,
    VsocksError,
    describe,
    printable,
)

# -- requests ------------------------------------------------------------------------------
# Where a machine may be named, it must be if the daemon serves several.


@dataclass(frozen=True, slots=True)
class Status:
    """A Daemon, then a Machine each."""


@dataclass(frozen=True, slots=True)
class Connections:
    """A Connection each: those of one machine, or of all."""

    machine: str | None = None


@dataclass(frozen=True, slots=True)
class Close:
    """End the connection of that id; its client sees a reset."""

    id: int


@dataclass(frozen=True, slots=True)
class AddForward:
    """Forward a port into the guest, as --forward does, until the daemon ends; a Forward."""

    forward: str
    machine: str | None = None


@dataclass(frozen=True, slots=True)
class RemoveForward:
    """Forward it no more; its connections are reset."""

    listen: str
    machine: str | None = None


@dataclass(frozen=True, slots=True)
class ListForwards:
    """A Forward each: those of one machine, or of all."""

    machine: str | None = None


@dataclass(frozen=True, slots=True)
class Reload:
    """What SIGHUP does."""


@dataclass(frozen=True, slots=True)
class Check:
    """What the policy says to NAME:PORT or ADDR:PORT: a Judgement for each address."""

    target: str
    machine: str | None = None


@dataclass(frozen=True, slots=True)
class Metrics:
    """Exposition lines for Prometheus."""


Request = (
    Status
    | Connections
    | Close
    | AddForward
    | RemoveForward
    | ListForwards
    | Reload
    | Check
    | Metrics
)

REQUESTS: Final[dict[str, type[Request]]] = {
    "status": Status,
    "connections": Connections,
    "close": Close,
    "forward-add": AddForward,
    "forward-remove": RemoveForward,
    "forward-list": ListForwards,
    "reload": Reload,
    "check": Check,
    "metrics": Metrics,
}

# -- what is answered ----------------------------------------------------------------------
# Bytes are counted as the audit does: sent by the guest, and received by it.


@dataclass(frozen=True, slots=True)
class Daemon:
    """The daemon that answers."""

    #: The version of vsocks that it is.
    release: str
    pid: int
    #: How long it has run.
    seconds: float


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine that is served."""

    #: What the configuration calls it, or its channel.
    name: str
    channel: str
    channel_open: bool
    #: How long a session has stood; None if none does.
    session_seconds: float | None
    #: Connections and associations that stand, or are being made.
    connections: int
    #: Bytes of all connections so far.
    sent: int
    received: int


@dataclass(frozen=True, slots=True)
class Connection:
    """A connection or an association, from when it is asked for."""

    #: What `close` takes: no other connection of this daemon has it, now or later.
    id: int
    machine: str
    #: Its name in the log of both daemons, and in the audit.
    number: str
    #: The kind as the audit has it: connect, bind, forward, association.
    kind: str
    #: What was asked for, NAME:PORT or ADDR:PORT; None of an association.
    target: str | None
    #: Where it leads to; None before it is connected.
    address: str | None
    #: Who has come to a forwarded port.
    client: str | None
    connected: bool
    sent: int
    received: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Forward:
    """A port of the host's that comes out in the guest."""

    machine: str
    listen: str
    target: str


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the policy says to one address, or to a name whatever its address."""

    machine: str
    name: str | None
    address: str | None
    port: int
    allowed: bool
    #: The rule that decides, as it was given, or `built-in: ` and which it is.
    rule: str


@dataclass(frozen=True, slots=True)
class MetricsText:
    """Some lines of the exposition, each whole."""

    text: str


Item = Daemon | Machine | Connection | Forward | Judgement | MetricsText

ITEMS: Final[dict[str, type[Item]]] = {
    "daemon": Daemon,
    "machine": Machine,
    "connection": Connection,
    "forward": Forward,
    "judgement": Judgement,
    "metrics": MetricsText,
}


@dataclass(frozen=True, slots=True)
class Done:
    """The end of an answer: it was done, and all items have been told."""


@dataclass(frozen=True, slots=True)
class Failed:
    """The end of an answer: it could not be done."""

    #: usage, unavailable, forbidden or failed; as a command's exit status tells them apart.
    kind: str
    #: Why, in a line.
    text: str


Answer = Item | Done | Failed

#: From the kind of a failure to the error of the command that has asked.
_ERRORS: Final[dict[str, type[VsocksError]]] = {
    "usage": UsageError,
    "unavailable": UnavailableError,
    "forbidden": ForbiddenError,
    "failed": VsocksError,
}


def failed_by(error: VsocksError) -> Failed:
    """The answer that tells of an error."""
    kind = next(name for name, each in _ERRORS.items() if isinstance(error, each))
    return Failed(kind, describe(error))


def error_of(failed: Failed) -> VsocksError:
    """The error that such an answer tells of; a kind that is new stands for any."""
    return _ERRORS.get(failed.kind, VsocksError)(printable(failed.text))
