"""The host daemon: streams come out of the channel, connections to their targets go out.

The guest may be malware: what it sends is bounded everywhere, and the policy decides where
it may go.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from vsocks.address import Target
from vsocks.endpoint import EndpointConfig
from vsocks.errors import BusyError
from vsocks.handshake import Offer, Role
from vsocks.host.dial import Dialer, DialError
from vsocks.host.resolve import Resolver
from vsocks.link import Link
from vsocks.pool import Pool
from vsocks.rate import ConnectRate
from vsocks.relay import Relay
from vsocks.reply import Reply
from vsocks.tasks import cancel

if TYPE_CHECKING:
    import socket

    from vsocks.channel import ChannelSource
    from vsocks.endpoint import Wire
    from vsocks.policy import Policy
    from vsocks.streams import Stream

log = logging.getLogger(__name__)

#: Refusals logged, a second in the long run and at once.
_REFUSALS_LOGGED: Final = 2.0
_REFUSALS_AT_ONCE: Final = 50


@dataclass(frozen=True, slots=True)
class HostConfig:
    """What the host daemon is to do."""

    wire: Wire
    policy: Policy
    offer: Offer = field(default_factory=Offer)
    #: Seconds for a connect, the look-up of the name included.
    dial_timeout: float = 10.0
    #: Connects a second that the guest may ask for in the long run.
    connect_rate: float = 5000.0
    #: Seconds that a half-closed connection may be silent.
    half_close_timeout: float = 300.0


class Host:
    """The daemon: start(), then run() until cancelled."""

    def __init__(self, config: HostConfig, source: ChannelSource) -> None:
        self._config = config
        self._source = source
        self._pool = Pool(config.offer.max_streams, config.offer.window)
        self._resolver = Resolver()
        self._dialer = Dialer(config.policy, self._resolver, config.dial_timeout)
        self._refusals = Refusals()
        self._rate = ConnectRate(config.connect_rate, burst=max(1, int(config.connect_rate)))
        endpoint = EndpointConfig(Role.HOST, config.offer, config.wire)
        self._link = Link(source, endpoint, self._on_open)
        self._connections: set[asyncio.Task[None]] = set()
        self._loop = asyncio.get_running_loop()

    async def start(self) -> None:
        """Take the channel. Raises ChannelError if it can't be had."""
        await self._source.start()

    async def run(self) -> None:
        """Serve until cancelled; connections are reset then."""
        try:
            await self._link.run()
        finally:
            await cancel(*self._connections)
            self._resolver.close()

    async def goodbye(self) -> None:
        """Tell the guest that the daemon ends."""
        await self._link.goodbye()

    def _on_open(self, stream: Stream, target: Target) -> Relay | Reply:
        if not self._rate.take(now=self._loop.time()):
            rate = self._config.connect_rate
            self._refusals.note(f"{target}: more than {rate:g} connects/s", self._loop.time())
            return Reply.GENERAL_FAILURE
        try:
            relay = Relay(self._link, self._pool, self._config.half_close_timeout)
        except BusyError:
            self._refusals.note(
                f"{target}: all {self._pool.size} streams are taken", self._loop.time()
            )
            return Reply.GENERAL_FAILURE
        relay.adopt(stream)
        task = self._loop.create_task(self._serve(relay, target))
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)
        return relay

    async def _serve(self, relay: Relay, target: Target) -> None:
        """One stream, from its open to its end."""
        try:
            async with relay:
                connection = await self._dial(relay, target)
                if connection is None:
                    return
                relay.accept(_bound_address(connection))
                log.debug("%s: connected", target)
                await relay.run(connection)
        except OSError as error:
            log.debug("%s: the connection failed: %s", target, error.strerror)
        else:
            log.debug("%s: closed%s", target, f" ({relay.aborted})" if relay.aborted else "")

    async def _dial(self, relay: Relay, target: Target) -> socket.socket | None:
        """The connection to ``target``; None if there is none, and the guest has been told why."""
        try:
            return await self._dialer.dial(target)
        except DialError as error:
            self._refusals.note(f"({error.reply:d}) {error.reason}", self._loop.time())
            relay.refuse(error.reply)
            return None


class Refusals:
    """Logs what was refused, but not so much that a hostile guest could fill the disk with it."""

    def __init__(self) -> None:
        self._rate = ConnectRate(_REFUSALS_LOGGED, burst=_REFUSALS_AT_ONCE)
        self._left_out = 0

    def note(self, reason: str, now: float) -> None:
        """Log a refusal, or count it for the next line that is logged."""
        if not self._rate.take(now=now):
            self._left_out += 1
            return
        more = f" (and {self._left_out} more before it)" if self._left_out else ""
        self._left_out = 0
        log.info("refused: %s%s", reason, more)


def _bound_address(connection: socket.socket) -> Target:
    host, port = connection.getsockname()[:2]
    return Target(host.partition("%")[0], port)
