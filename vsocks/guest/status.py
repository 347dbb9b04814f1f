"""What the guest daemon tells of itself, put together when somebody looks.

Nothing is counted for it that would not be anyway.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from vsocks import __version__
from vsocks.address import parse_ip, unmapped
from vsocks.aio.current import reactor
from vsocks.mux.stream import StreamUser
from vsocks.proxy.rates import Passed, Rates
from vsocks.proxy.refusals import Refusals
from vsocks.proxy.status import ConnectionStatus, ProxyStatus

if TYPE_CHECKING:
    from collections.abc import Hashable

    from vsocks.address import Target
    from vsocks.guest.associations import GuestAssociation, GuestAssociations
    from vsocks.mux.buffers import Share
    from vsocks.mux.link import Link
    from vsocks.proxy.users import Users

#: In the place of a client's protocol.
FROM_HOST: Final = "from the host"
#: The key of the sum of all, among rates.
_SUM: Final = "sum"


class StatusBoard:
    """Knows where to look, and what has been refused."""

    def __init__(
        self, link: Link, pool: Share, associations: GuestAssociations, users: Users
    ) -> None:
        self._link = link
        self._pool = pool
        self._associations = associations
        self._users = users
        self._rates = Rates()
        self._refusals = Refusals()
        self._began = self._now()

    def refused(self, protocol: str, target: str, reason: str) -> None:
        """A client, or the host, did not get what it wanted; ``reason`` is in words."""
        self._refusals.add(protocol, target, reason, self._now())

    def status(self, here: Target, reader: str) -> ProxyStatus:
        """The status, for a client that reached the proxy at ``here`` from the address ``reader``.

        Who goes where is told to nobody from another machine, nor where there are users: the
        pages ask for no password.
        """
        link, whole, now = self._link, self._pool.whole, self._now()
        users = [user for user in link.handlers if isinstance(user, StreamUser)]
        associations = list(self._associations)
        passed: dict[Hashable, Passed] = {
            **{_key(user): Passed(user.read, user.written, user.began) for user in users},
            **{each.number: Passed(each.sent, each.received, each.began) for each in associations},
        }
        sent = link.read + sum(each.sent for each in passed.values())
        received = link.written + sum(each.received for each in passed.values())
        passed[_SUM] = Passed(sent, received, self._began)
        rates = self._rates.look(passed, now)
        listed = [_of_stream(user, rates[_key(user)], now) for user in users]
        listed += [_of_association(each, rates[each.number], now) for each in associations]
        listed.sort(key=lambda each: (-each.sent_rate - each.received_rate, each.seconds))
        session, seconds = link.session
        return ProxyStatus(
            version=__version__,
            address=here,
            down="" if link.has_session else "the host does not answer",
            connections=whole.size - whole.free,
            max_connections=whole.size,
            associations=len(associations),
            max_associations=self._associations.limit,
            dropped=link.dropped,
            channel=link.channel,
            channel_open=link.channel_open,
            session=session,
            session_seconds=seconds,
            sent=sent,
            received=received,
            sent_rate=rates[_SUM][0],
            received_rate=rates[_SUM][1],
            hidden=self._hidden_from(reader),
            listed=listed,
            refusals=self._refusals.latest(now),
        )

    def _hidden_from(self, reader: str) -> str:
        if self._users.required:
            return "Who goes where isn't shown here: the proxy has users."
        ip = parse_ip(reader.partition("%")[0])
        if ip is None or not unmapped(ip).is_loopback:
            return "Who goes where is shown on the proxy's own machine only."
        return ""

    def _now(self) -> float:
        return reactor().loop.time()


def _key(user: StreamUser) -> Hashable:
    """Labels are used again in the next session."""
    return user.label, user.began


def _of_stream(user: StreamUser, rates: tuple[float, float], now: float) -> ConnectionStatus:
    return ConnectionStatus(
        user.label,
        user.protocol or FROM_HOST,
        str(user.target),
        user.read,
        user.written,
        *rates,
        now - user.began,
        user.is_answered,
    )


def _of_association(
    each: GuestAssociation, rates: tuple[float, float], now: float
) -> ConnectionStatus:
    return ConnectionStatus(
        f"a{each.number}",
        "SOCKS5 UDP",
        "datagrams",
        each.sent,
        each.received,
        *rates,
        now - each.began,
        each.answer.done(),
    )
