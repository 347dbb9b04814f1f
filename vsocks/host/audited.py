"""What the audit is told of one connection, from its begin to its end."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from vsocks.address import Target, parse_ip
from vsocks.audit.record import Event, Kind
from vsocks.errors import BusyError

if TYPE_CHECKING:
    from collections.abc import Callable

    from vsocks.address import IPAddress
    from vsocks.host.audit import Audit
    from vsocks.mux.relay import Relay
    from vsocks.policy.policy import Verdict
    from vsocks.reply import TargetError

    #: The verdict on the name asked for (if one was), an address, and a port.
    Judge = Callable[[str | None, IPAddress, int], Verdict]


def asked_for(target: Target) -> dict[str, str | int | None]:
    """A target as it was asked for: its name or its address, and its port."""
    address = target.ip
    return {
        "name": target.host if address is None else None,
        "address": None if address is None else str(address),
        "port": target.port,
    }


def failure_of(error: TargetError, target: Target) -> dict[str, str | bool | None]:
    """How an attempt ended: denied by a rule, or in the words of the system."""
    if error.rule is not None:
        return {"allowed": False, "rule": error.rule, "end": "denied"}
    return {"end": error.reason.removeprefix(f"{target}: ")}


class AuditedConnection:
    """A connection that the guest has asked for; a StreamObserver."""

    def __init__(self, audit: Audit, kind: Kind, number: str, target: Target, judge: Judge) -> None:
        self._audit = audit
        self._kind = kind
        self._target = target
        self._judge = judge
        self._began = time.monotonic()
        self._stands = False
        self._what = {**asked_for(target), "number": number}

    def on_connected(self, peer: Target | None) -> None:
        """It is connected."""
        peer = peer or self._target
        if (ip := peer.ip) is not None:
            name = self._what["name"]
            verdict = self._judge(None if name is None else str(name), ip, self._target.port)
            self._what |= {"address": str(ip), "port": peer.port, "rule": verdict.rule}
        self._stands = True
        self._audit.tell(self._kind, Event.BEGIN, **self._what)

    def on_refused(self, error: TargetError) -> None:
        """It could not be connected, or may not be."""
        if error.address is not None:
            self._what["address"] = error.address
        self._tell_end(**{"rule": self._first_rule(), **failure_of(error, self._target)})

    def on_over(self, relay: Relay, why: str) -> None:
        """It has ended."""
        self._tell_end(sent=relay.written, received=relay.read, end=why or "closed")

    def _tell_end(self, **how: object) -> None:
        event = Event.END if self._stands else Event.FAILED
        seconds = time.monotonic() - self._began
        self._audit.tell(self._kind, event, **{**self._what, "seconds": seconds, **how})

    def _first_rule(self) -> str | None:
        """What allowed the first of the addresses, if one was dialled."""
        first, _, _ = str(self._what["address"]).partition(",")
        ip = parse_ip(first.partition("%")[0])
        if ip is None:
            return None
        name = self._what["name"]
        return self._judge(None if name is None else str(name), ip, self._target.port).rule


class AuditedForward:
    """A connection into the guest."""

    def __init__(
        self, audit: Audit, ours: tuple[str, int], target: Target, client: Target | None
    ) -> None:
        """``ours`` is the forwarded address, and ``client`` came there, if it is known."""
        self._audit = audit
        self._began = time.monotonic()
        self._stands = False
        rule = f"forward {Target(*ours)} to {target}"
        came_from = None if client is None else str(client)
        self._what: dict[str, Any] = {**asked_for(target), "rule": rule, "client": came_from}

    def check(self) -> None:
        """Raises BusyError if it may not begin, for it could not be told."""
        if self._audit.refuses:
            raise BusyError("the audit can't be written")

    def on_connected(self, relay: Relay) -> None:
        """The guest has connected it."""
        self._stands = True
        self._what["number"] = relay.label
        self._audit.tell(Kind.FORWARD, Event.BEGIN, **self._what)

    def on_refused(self, why: str) -> None:
        """The guest would not, or there was no session."""
        self._audit.tell(Kind.FORWARD, Event.FAILED, **self._what, end=why)

    def on_over(self, relay: Relay, why: str) -> None:
        """It has ended; what the guest has sent went to the client."""
        self._audit.tell(
            Kind.FORWARD,
            Event.END if self._stands else Event.FAILED,
            **self._what,
            sent=relay.written,
            received=relay.read,
            seconds=time.monotonic() - self._began,
            end=why or "closed",
        )
