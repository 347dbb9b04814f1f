"""The guest's UDP associations with the host: their numbers, and who gets what."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vsocks.errors import BusyError
from vsocks.protocol.handshake import Feature
from vsocks.protocol.parcels import Associate, Associated, Datagram, Dissociate
from vsocks.reply import Reply

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from vsocks.address import Target
    from vsocks.mux.link import Link
    from vsocks.protocol.parcels import Parcel


@dataclass(eq=False)
class GuestAssociation:
    """One UDP association."""

    number: int
    #: The host's reply; from then on datagrams can be sent.
    answer: asyncio.Future[int]
    #: Done when the host or the loss of the session has ended it.
    over: asyncio.Future[None]
    #: Called with where a datagram came from, and its data, valid during the call only.
    on_datagram: Callable[[Target, memoryview], None]
    #: When it was asked for, by the loop's clock.
    began: float
    #: Bytes of datagrams that were sent, soon or never, and that came.
    sent: int = 0
    received: int = 0


class GuestAssociations:
    """All associations of a guest, at most ``limit`` at once."""

    def __init__(self, link: Link, limit: int) -> None:
        self._link = link
        self.limit = limit
        self._last_number = 0
        self._associations: dict[int, GuestAssociation] = {}

    def __len__(self) -> int:
        return len(self._associations)

    def __iter__(self) -> Iterator[GuestAssociation]:
        return iter(self._associations.values())

    def begin(self, on_datagram: Callable[[Target, memoryview], None]) -> GuestAssociation:
        """Ask the host for an association; the caller ends it by end().

        Raises BusyError if there are too many or no session stands, NotSupportedError if the
        host knows no datagrams.
        """
        if len(self._associations) >= self.limit:
            raise BusyError(f"all {self.limit} associations are taken")
        self._link.require(Feature.DATAGRAMS)
        self._last_number += 1
        loop = asyncio.get_running_loop()
        association = GuestAssociation(
            self._last_number, loop.create_future(), loop.create_future(), on_datagram, loop.time()
        )
        if not self._link.post(Associate(association.number)):
            raise BusyError("the channel is too slow for one more association")
        self._associations[association.number] = association
        return association

    def send(self, association: GuestAssociation, target: Target, data: memoryview) -> bool:
        """Send a datagram, soon or never; False if it was dropped."""
        is_sent = self._link.post(Datagram(association.number, target, data))
        if is_sent:
            association.sent += len(data)
        return is_sent

    def end(self, association: GuestAssociation) -> None:
        """End it."""
        if self._associations.pop(association.number, None) is not None:
            self._link.count(association.sent, association.received)
            self._link.post(Dissociate(association.number))

    def on_parcel(self, parcel: Parcel) -> None:
        """Something came from the host."""
        match parcel:
            case Datagram(number, source, data):
                if (association := self._associations.get(number)) is not None:
                    association.received += len(data)
                    association.on_datagram(source, memoryview(data))
            case Associated(number, reply):
                association = self._associations.get(number)
                if association is not None and not association.answer.done():
                    association.answer.set_result(reply)
            case Dissociate(number):
                self._end(self._associations.pop(number, None))
            case _:
                pass

    def on_lost(self) -> None:
        """The session is over, and all of them."""
        associations, self._associations = self._associations, {}
        for association in associations.values():
            self._end(association)

    def _end(self, association: GuestAssociation | None) -> None:
        if association is None:
            return
        self._link.count(association.sent, association.received)
        if not association.answer.done():
            association.answer.set_result(Reply.GENERAL_FAILURE)
        if not association.over.done():
            association.over.set_result(None)
