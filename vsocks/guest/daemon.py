"""The guest daemon: clients connect to its port, and their streams go to the host."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from vsocks.address import format_host_port, parse_ip
from vsocks.aio.listener import Listener
from vsocks.aio.tasks import Tasks, run_until_first_ends
from vsocks.errors import BusyError, describe
from vsocks.guest.associations import GuestAssociations
from vsocks.guest.client import Client
from vsocks.guest.context import ClientContext, Limits
from vsocks.guest.dns import DnsListener
from vsocks.guest.exposed import Exposed
from vsocks.guest.questions import QuestionClient
from vsocks.guest.status import FROM_HOST, StatusBoard
from vsocks.mux.buffers import share_out
from vsocks.mux.incoming import IncomingStreams
from vsocks.mux.link import Link
from vsocks.protocol.endpoint import EndpointConfig
from vsocks.protocol.handshake import Offer, Role
from vsocks.proxy.users import NO_USERS, Users
from vsocks.reply import Reply

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Coroutine
    from typing import Any

    from vsocks.address import Target
    from vsocks.aio.listener import Served
    from vsocks.channel import ChannelSource
    from vsocks.mux.relay import Relay
    from vsocks.mux.stream import MuxStream
    from vsocks.mux.trace import Trace
    from vsocks.protocol.endpoint import Wire
    from vsocks.protocol.parcels import Parcel
    from vsocks.reply import DialError

log = logging.getLogger(__name__)

#: Clients in their handshake beyond those that have a stream.
_MORE_CLIENTS: Final = 64
#: Descriptors of the channel, the loop, the listeners, and what the system takes by itself.
_OTHER_FILES: Final = 32
#: Seconds that the host may take to answer a DNS query.
_DNS_TIMEOUT: Final = 5.0


@dataclass(frozen=True, slots=True)
class GuestConfig:
    """The configuration of the guest daemon."""

    wire: Wire
    #: Where clients connect.
    listen: tuple[tuple[str, int], ...] = (("127.0.0.1", 1080),)
    #: Where DNS is answered, if it is.
    dns: tuple[str, int] | None = None
    #: Who may use the proxy; everybody if nobody is named.
    users: Users = NO_USERS
    #: What the host may connect to.
    exposed: tuple[Target, ...] = ()
    #: Connections at once.
    max_streams: int = 64
    #: Exchanges of datagrams at once.
    max_associations: int = 48
    offer: Offer = field(default_factory=Offer)
    limits: Limits = field(default_factory=Limits)
    #: Where all that happens is written, if anywhere.
    trace: Trace | None = None


class Guest:
    """The daemon: start(), then run() until cancelled."""

    def __init__(self, config: GuestConfig, source: ChannelSource) -> None:
        self._source = source
        count, window = config.max_streams, config.offer.window
        clients, hosts = share_out(count, window, with_host=bool(config.exposed))
        endpoint = EndpointConfig(Role.GUEST, config.offer, config.wire)
        link = self._link = Link(source, endpoint, self, config.trace)
        self._associations = GuestAssociations(link, config.max_associations)
        self._questions = QuestionClient(link)
        self._exposed = Exposed(config.exposed)
        self._board = StatusBoard(link, clients, self._associations, config.users)
        self._incoming = IncomingStreams(
            link, hosts, config.limits.idle_timeouts, self._on_not_connected
        )
        #: The tasks of clients that wait for something.
        self._tasks = Tasks()
        self._context = ClientContext(
            config.limits,
            config.users,
            link,
            clients,
            self._associations,
            self._questions,
            self._tasks,
            self._board,
        )
        self._listener = Listener(config.listen, self._serve, config.max_streams + _MORE_CLIENTS)
        self.descriptors = hosts.size + _MORE_CLIENTS + config.max_associations + _OTHER_FILES
        self.means = (
            f"{config.max_streams} connections in {clients.whole.bytes >> 20} MiB, "
            f"{config.max_associations} associations"
        )
        clients.make_room = lambda: self._listener.close_one(_has_left)
        self._dns = DnsListener(config.dns, self._ask_dns) if config.dns else None

    async def start(self) -> None:
        """Listen. Raises VsocksError if an address or the channel can't be had."""
        where = self._listener.start()
        try:
            if self._dns is not None:
                self._dns.start()
            await self._source.start()
        except BaseException:
            self._listener.close()
            if self._dns is not None:
                self._dns.close()
            raise
        log.info("listening on %s", where)
        if not self._context.users.required:
            _warn_of_strangers(self.addresses)

    @property
    def address(self) -> tuple[str, int]:
        """Where clients connect, the first such address; after start()."""
        return self._listener.address

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """Where clients connect; after start()."""
        return self._listener.addresses

    @property
    def dns_address(self) -> tuple[str, int]:
        """Where it answers DNS, as it was asked to; after start()."""
        assert self._dns is not None, "it was not asked to"
        return self._dns.address

    @property
    def has_session(self) -> bool:
        """Whether a session with the host stands."""
        return self._link.has_session

    @property
    def connections(self) -> int:
        """How many there are: streams of both sides, and associations."""
        whole = self._context.pool.whole
        return whole.size - whole.free

    async def run(self) -> None:
        """Serve until cancelled; clients are reset then."""
        running: list[Coroutine[Any, Any, None]] = [self._link.run(), self._listener.run()]
        if self._dns is not None:
            running.append(self._dns.run())
        try:
            await run_until_first_ends(*running)
        finally:
            self._incoming.close()
            await self._tasks.cancel()

    def on_hangup(self) -> None:
        """SIGHUP: it has no files."""
        log.info("SIGHUP: there is nothing to read anew")

    async def goodbye(self) -> None:
        """Tell the host that the daemon ends."""
        await self._link.goodbye()

    def _serve(self, connection: socket.socket, gone: Callable[[], None]) -> Client:
        return Client(connection, self._context, gone)

    async def _ask_dns(self, query: bytes) -> bytes:
        return await self._questions.ask_dns(query, _DNS_TIMEOUT)

    # -- what the host asks for ------------------------------------------------------------

    def on_open(self, stream: MuxStream, target: Target, *, listens: bool) -> Relay | Reply:
        """The host wants a stream connected within the guest."""
        if listens:
            return Reply.COMMAND_NOT_SUPPORTED
        if not self._exposed.permits(target):
            log.info("refused: the host wants %s, which no --expose names", target)
            self._board.refused(FROM_HOST, str(target), "no --expose names it")
            return Reply.NOT_ALLOWED
        try:
            return self._incoming.serve(
                stream, target, lambda _, done: self._exposed.connect(target, done)
            )
        except BusyError as error:
            log.info("refused: the host wants %s: %s", target, describe(error))
            self._board.refused(FROM_HOST, str(target), describe(error))
            return Reply.GENERAL_FAILURE

    def _on_not_connected(self, label: str, error: DialError) -> None:
        log.info("%s refused: the host's connection to %s", label, error.reason)
        target, _, reason = error.reason.partition(": ")
        self._board.refused(FROM_HOST, target, reason)

    def on_parcel(self, parcel: Parcel) -> None:
        """A datagram or an answer has come."""
        self._associations.on_parcel(parcel)
        self._questions.on_parcel(parcel)

    def on_lost(self) -> None:
        """The session is over."""
        self._associations.on_lost()
        self._questions.on_lost()


def _warn_of_strangers(addresses: list[tuple[str, int]]) -> None:
    """Say so if other machines can use a proxy that asks nobody who he is."""
    for host, port in addresses:
        ip = parse_ip(host)
        if ip is None or not ip.is_loopback:
            where = format_host_port(host, port)
            log.warning("whoever reaches %s can use the proxy: --users-file asks who it is", where)


def _has_left(client: Served) -> bool:
    return isinstance(client, Client) and client.has_left
