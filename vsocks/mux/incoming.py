"""Streams that the peer opens: each is connected to its target and relayed."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from vsocks.aio.tasks import Tasks
from vsocks.mux.relay import Relay
from vsocks.reply import DialError

if TYPE_CHECKING:
    import socket
    from collections.abc import Awaitable, Callable

    from vsocks.address import Target
    from vsocks.mux.pool import Pool
    from vsocks.mux.relay import IdleTimeouts
    from vsocks.mux.switchboard import Switchboard
    from vsocks.protocol.streams import Stream

    #: Gives the connection of a stream, and the address to tell the peer; raises DialError.
    Connect = Callable[[Relay], Awaitable[tuple[socket.socket, Target]]]

log = logging.getLogger(__name__)


class OpenedStreams:
    """The tasks that serve them."""

    def __init__(
        self,
        switchboard: Switchboard,
        pool: Pool,
        idle_timeouts: IdleTimeouts,
        on_refused: Callable[[DialError], None],
    ) -> None:
        """``on_refused`` is told of each that could not be connected."""
        self._switchboard = switchboard
        self._pool = pool
        self._idle_timeouts = idle_timeouts
        self._on_refused = on_refused
        self._tasks = Tasks()

    def serve(self, stream: Stream, target: Target, connect: Connect) -> Relay:
        """Connect ``stream`` and relay it; raises BusyError if the pool has no slot."""
        relay = Relay(self._switchboard, self._pool, self._idle_timeouts)
        relay.adopt(stream)
        self._tasks.start(self._serve(relay, target, connect))
        return relay

    async def close(self) -> None:
        """Reset all of them."""
        await self._tasks.cancel()

    async def _serve(self, relay: Relay, target: Target, connect: Connect) -> None:
        """One stream, from its open to its end."""
        try:
            async with relay:
                try:
                    connection, bound = await connect(relay)
                except DialError as error:
                    self._on_refused(error)
                    relay.refuse(error.reply)
                    return
                relay.accept(bound)
                log.debug("%s: connected", target)
                await relay.run(connection)
        except OSError as error:
            log.debug("%s: the connection failed: %s", target, error.strerror)
        else:
            log.debug("%s: closed%s", target, f" ({relay.aborted})" if relay.aborted else "")
