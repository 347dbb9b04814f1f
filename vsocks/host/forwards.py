"""Ports of the host that come out in the guest."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from vsocks.aio.listener import Listener
from vsocks.errors import BusyError, NotSupportedError
from vsocks.mux.relay import Relay, reset_on_close

if TYPE_CHECKING:
    import socket

    from vsocks.address import Target
    from vsocks.mux.pool import Pool
    from vsocks.mux.relay import IdleTimeouts
    from vsocks.mux.switchboard import Switchboard

log = logging.getLogger(__name__)

#: Seconds that the guest may take to connect.
_ANSWER_TIMEOUT: Final = 15.0


@dataclass(frozen=True, slots=True)
class Forward:
    """One port."""

    listen: tuple[str, int]
    #: An address as the guest sees it.
    target: Target


class Forwarding:
    """Serves one forward: start(), then run() until cancelled."""

    def __init__(
        self, forward: Forward, switchboard: Switchboard, pool: Pool, idle_timeouts: IdleTimeouts
    ) -> None:
        self._target = forward.target
        self._switchboard = switchboard
        self._pool = pool
        self._idle_timeouts = idle_timeouts
        self._listener = Listener(forward.listen, self._serve, pool.size)

    def start(self) -> None:
        """Listen. Raises UsageError if the address can't be had."""
        log.info("forwarding %s to %s in the guest", self._listener.start(), self._target)

    async def run(self) -> None:
        """Serve until cancelled."""
        await self._listener.run()

    def close(self) -> None:
        """Listen no more; for a forward that isn't run."""
        self._listener.close()

    async def _serve(self, client: socket.socket) -> None:
        """One connection. One that fails is reset, so that nobody takes it for an empty one."""
        try:
            await self._relay(client)
        except (BusyError, NotSupportedError) as error:
            log.info("forward to %s: %s", self._target, error)
            reset_on_close(client)

    async def _relay(self, client: socket.socket) -> None:
        async with Relay(self._switchboard, self._pool, self._idle_timeouts) as relay:
            reply, _ = await relay.open(self._target, _ANSWER_TIMEOUT)
            if reply:
                log.info("forward to %s: the guest refused it (%d)", self._target, reply)
                reset_on_close(client)
                return
            await relay.run(client)
            return
        if client.fileno() >= 0:
            reset_on_close(client)
