"""Ports of the host that are forwarded into the guest."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from vsocks.aio.current import reactor
from vsocks.aio.listener import Listener, Served
from vsocks.errors import BusyError, NotSupportedError, describe
from vsocks.host.audited import AuditedForward
from vsocks.mux.relay import Relay

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from vsocks.address import Target
    from vsocks.host.audit import Audit
    from vsocks.mux.buffers import Share
    from vsocks.mux.link import Link
    from vsocks.mux.relay import IdleTimeouts

log = logging.getLogger(__name__)

#: Seconds that the guest may take to connect.
_ANSWER_TIMEOUT: Final = 15.0


@dataclass(frozen=True, slots=True)
class Forward:
    """One forwarded port."""

    listen: tuple[str, int]
    #: The address that the guest connects to.
    target: Target


class Forwarding:
    """Serves one forward: start(), then run() until cancelled."""

    def __init__(
        self,
        forward: Forward,
        link: Link,
        pool: Share,
        idle_timeouts: IdleTimeouts,
        audit: Audit | None = None,
    ) -> None:
        #: The address that the guest connects to.
        self.target = forward.target
        self._link = link
        self._pool = pool
        self._idle_timeouts = idle_timeouts
        self.audit = audit
        self._listener = Listener([forward.listen], self._serve, pool.size)

    def start(self) -> None:
        """Listen. Raises VsocksError if the address can't be had."""
        log.info("forwarding %s to %s in the guest", self._listener.start(), self.target)

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens; after start()."""
        return self._listener.address

    async def run(self) -> None:
        """Serve until cancelled."""
        await self._listener.run()

    def close(self) -> None:
        """Listen no more; for a forward that isn't run."""
        self._listener.close()

    def _serve(self, connection: socket.socket, gone: Callable[[], None]) -> _Forwarded:
        return _Forwarded(self, connection, gone)

    def relay(self, on_over: Callable[[str], None]) -> Relay:
        """The relay for one connection. Raises BusyError."""
        return Relay(self._link, self._pool, self._idle_timeouts, on_over)


class _Forwarded(Served):
    """One connection. On failure it is reset, so that nobody takes it for an empty response."""

    def __init__(
        self, forwarding: Forwarding, connection: socket.socket, gone: Callable[[], None]
    ) -> None:
        self._target = forwarding.target
        self._gone = gone
        self._audited: AuditedForward | None = None
        if (audit := forwarding.audit) is not None:
            self._audited = AuditedForward(audit, forwarding.address, forwarding.target, connection)
        self._socket = reactor().stream(connection, self)
        self._relay: Relay | None = None
        try:
            if self._audited is not None:
                self._audited.check()
            self._relay = forwarding.relay(self._on_over)
            self._relay.open(self._target, _ANSWER_TIMEOUT, self._on_answer)
        except (BusyError, NotSupportedError) as error:
            log.info("forward to %s: %s", self._target, describe(error))
            if self._audited is not None:
                self._audited.on_refused(describe(error))
            self._fail()

    def _on_answer(self, reply: int, _bound: Target | None) -> None:
        if reply or self._relay is None:
            log.info("forward to %s: the guest refused it (%d)", self._target, reply)
            if self._audited is not None:
                self._audited.on_refused(f"the guest refused it ({reply})")
            self._fail()
        else:
            if self._audited is not None:
                self._audited.on_connected(self._relay)
            self._relay.run(self._socket)

    def _on_over(self, why: str) -> None:
        if self._audited is not None and self._relay is not None:
            self._audited.on_over(self._relay, why)
        # If the relay had the socket it is closed by now.
        self._fail()

    def close(self) -> None:
        """The daemon ends."""
        if self._relay is not None and not self._relay.aborted:
            self._relay.abort("the daemon ends")

    def _fail(self) -> None:
        self._socket.close(reset=True)
        self._gone()

    def on_read(self, size: int) -> None:
        """Nothing is read before the relay has the socket."""

    def on_written(self) -> None:
        """Nothing is written before, either."""

    def on_failed(self, error: OSError) -> None:
        """Nothing is asked for that could fail."""
