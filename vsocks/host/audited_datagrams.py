"""What the audit is told of one association: with whom datagrams are exchanged, and how much."""

from __future__ import annotations

import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from vsocks.audit.record import Event, Kind
from vsocks.host.audited import asked_for, failure_of

if TYPE_CHECKING:
    from vsocks.address import IPAddress, Target
    from vsocks.host.audit import Audit
    from vsocks.host.audited import Judge
    from vsocks.reply import TargetError

#: Addresses and ports of an association that are counted at once.
_EXCHANGES: Final = 256
_AN_ANSWER: Final = "built-in: an answer from an address that was sent to"


@dataclass(slots=True)
class _Exchange:
    """Datagrams to and from one address and port."""

    name: str | None
    rule: str
    began: float
    sent: int = 0
    received: int = 0


class AuditedAssociation:
    """One association, from its begin to its end."""

    def __init__(self, audit: Audit, number: int, judge: Judge) -> None:
        self._audit = audit
        self._judge = judge
        self._number = f"a{number}"
        self._began = time.monotonic()
        #: The one that has been quiet for longest is the first.
        self._exchanges: OrderedDict[tuple[IPAddress, int], _Exchange] = OrderedDict()
        audit.tell(Kind.ASSOCIATION, Event.BEGIN, number=self._number)

    def may_send(self, ip: IPAddress, port: int) -> bool:
        """Whether a datagram may leave: nothing new begins that could not be told."""
        return (ip, port) in self._exchanges or not self._audit.refuses

    def on_sent(self, ip: IPAddress, port: int, size: int, name: str | None) -> None:
        """A datagram has left for an address, for which the guest may have asked by a name."""
        exchange = self._exchanges.get((ip, port))
        if exchange is None:
            exchange = self._begin(ip, port, self._judge(name, ip, port).rule, name)
        exchange.sent += size
        self._exchanges.move_to_end((ip, port))

    def on_received(self, ip: IPAddress, port: int, size: int) -> None:
        """A datagram has come, and was passed on."""
        exchange = self._exchanges.get((ip, port))
        if exchange is None:
            exchange = self._begin(ip, port, _AN_ANSWER, None)
        exchange.received += size

    def on_refused(self, target: Target, error: TargetError) -> None:
        """A datagram was not sent."""
        what = asked_for(target)
        if error.address is not None:
            what["address"] = error.address
        self._audit.tell(
            Kind.DATAGRAMS, Event.FAILED, number=self._number, **what, **failure_of(error, target)
        )

    def on_unsent(self, target: Target, why: str) -> None:
        """A datagram was lost, though nothing has forbidden it."""
        self._audit.tell(
            Kind.DATAGRAMS, Event.FAILED, number=self._number, **asked_for(target), end=why
        )

    def on_too_much(self, target: Target, why: str) -> None:
        """A datagram was not sent: a bound of this daemon's was reached."""
        self._audit.tell_too_much(Kind.DATAGRAMS, why, number=self._number, **asked_for(target))

    def on_over(self) -> None:
        """The association has ended."""
        while self._exchanges:
            self._end_oldest()
        seconds = time.monotonic() - self._began
        self._audit.tell(
            Kind.ASSOCIATION, Event.END, number=self._number, seconds=seconds, end="closed"
        )

    def _begin(self, ip: IPAddress, port: int, rule: str, name: str | None) -> _Exchange:
        if len(self._exchanges) >= _EXCHANGES:
            self._end_oldest()
        exchange = _Exchange(name, rule, time.monotonic())
        self._exchanges[ip, port] = exchange
        self._tell(Event.BEGIN, ip, port, exchange)
        return exchange

    def _end_oldest(self) -> None:
        (ip, port), exchange = self._exchanges.popitem(last=False)
        self._tell(Event.END, ip, port, exchange, time.monotonic() - exchange.began)

    def _tell(
        self,
        event: Event,
        ip: IPAddress,
        port: int,
        exchange: _Exchange,
        seconds: float | None = None,
    ) -> None:
        self._audit.tell(
            Kind.DATAGRAMS,
            event,
            number=self._number,
            name=exchange.name,
            address=str(ip),
            port=port,
            rule=exchange.rule,
            sent=exchange.sent,
            received=exchange.received,
            seconds=seconds,
            end="closed" if event is Event.END else None,
        )
