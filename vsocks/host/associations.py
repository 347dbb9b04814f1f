"""The guest's UDP associations: their numbers, and how many there may be."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vsocks.aio.tasks import Tasks
from vsocks.audit.record import Kind
from vsocks.errors import BusyError, describe
from vsocks.host.association import HostAssociation
from vsocks.protocol.parcels import Associate, Associated, Datagram, Dissociate
from vsocks.reply import Reply
from vsocks.token_bucket import TokenBucket

if TYPE_CHECKING:
    from collections.abc import Callable

    from vsocks.address import Target
    from vsocks.host.audit import Audit
    from vsocks.host.dial import Dialer
    from vsocks.host.ledger import Ledger
    from vsocks.mux.buffers import Share
    from vsocks.mux.link import Link
    from vsocks.protocol.parcels import Parcel


@dataclass(frozen=True, slots=True)
class DatagramLimits:
    """Limits for one guest."""

    associations: int = 64
    #: A second, to the network.
    rate: float = 5000.0
    #: Seconds without any datagram until an association is over.
    idle: float = 300.0


class HostAssociations:
    """All associations of a guest."""

    def __init__(
        self,
        link: Link,
        pool: Share,
        dialer: Dialer,
        limits: DatagramLimits,
        refused: Callable[[str], None],
        *,
        ledger: Ledger,
        audit: Audit | None = None,
    ) -> None:
        self._audit = audit
        self._ledger = ledger
        self._link = link
        self._pool = pool
        self._dialer = dialer
        self._limits = limits
        self._refused = refused
        self._rate = TokenBucket(limits.rate)
        self._associations: dict[int, HostAssociation] = {}
        self._tasks = Tasks()
        self._loop = asyncio.get_running_loop()

    def reconfigure(
        self, limits: DatagramLimits, audit: Audit | None, *, ends_forbidden: bool
    ) -> None:
        """Keep to these limits from now on, and judge anew.

        The idle time and the audit are for those to come. ``ends_forbidden``: what comes from an
        address is passed on only after the guest has sent something there anew.
        """
        if limits.rate != self._limits.rate:
            self._rate = TokenBucket(limits.rate)
        self._limits = limits
        self._audit = audit
        for association in self._associations.values():
            association.judge_anew(peers_too=ends_forbidden)

    def on_parcel(self, parcel: Parcel) -> None:
        """Something came from the guest."""
        match parcel:
            case Datagram(number, target, data):
                self._send(number, target, memoryview(data))
            case Associate(number):
                self._begin(number)
            case Dissociate(number):
                if (association := self._associations.pop(number, None)) is not None:
                    association.end()
            case _:
                pass

    def on_lost(self) -> None:
        """The session is over, and all of them."""
        associations, self._associations = self._associations, {}
        for association in associations.values():
            association.end()

    async def close(self) -> None:
        """End all of them."""
        self.on_lost()
        await self._tasks.cancel()

    def _begin(self, number: int) -> None:
        if number in self._associations:
            return
        try:
            association = self._make(number)
        except (BusyError, OSError) as error:
            self._refused(f"datagrams: {describe(error)}")
            self._ledger.refusals[Kind.ASSOCIATION] += 1
            if self._audit is not None:
                self._audit.tell_too_much(Kind.ASSOCIATION, describe(error), number=f"a{number}")
            self._link.post(Associated(number, Reply.GENERAL_FAILURE))
            return
        self._associations[number] = association
        task = self._tasks.start(self._run(association))
        entry = self._ledger.begin(Kind.ASSOCIATION, None)
        entry.mover = association
        entry.connected(None)

        def over(_: object) -> None:
            association.give_up()
            entry.over()

        task.add_done_callback(over)
        self._link.post(Associated(number, Reply.SUCCEEDED))

    def _make(self, number: int) -> HostAssociation:
        # Also those that are ending: they hold their sockets until they have ended.
        if len(self._tasks) >= self._limits.associations:
            raise BusyError(f"all {self._limits.associations} associations are taken")
        if self._audit is not None and self._audit.refuses:
            raise BusyError("the audit can't be written")

        def deliver(source: Target, data: memoryview) -> bool:
            return self._link.post(Datagram(number, source, data))

        return HostAssociation(
            number, deliver, self._pool, self._dialer, self._refused, audit=self._audit
        )

    async def _run(self, association: HostAssociation) -> None:
        try:
            await association.run(self._limits.idle)
        finally:
            # In a new session the number may be another's by now.
            if self._associations.get(association.number) is association:
                del self._associations[association.number]
                self._link.post(Dissociate(association.number))

    def _send(self, number: int, target: Target, data: memoryview) -> None:
        association = self._associations.get(number)
        if association is None:
            return
        if not self._rate.take(now=self._loop.time()):
            why = f"more than {self._limits.rate:g} a second"
            association.drop(target, why)
            self._ledger.refusals[Kind.DATAGRAMS] += 1
            self._refused(f"datagram to {target}: {why}")
            return
        association.send(target, data)
