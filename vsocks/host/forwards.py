"""Ports of the host that are forwarded into the guest."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from vsocks.address import loopback_or, split_at_colons, target_of
from vsocks.aio.current import reactor
from vsocks.aio.listener import Listener, Served
from vsocks.aio.tasks import cancel
from vsocks.audit.record import Kind
from vsocks.errors import BusyError, NotSupportedError, describe
from vsocks.host.audited import AuditedForward
from vsocks.mux.relay import Relay
from vsocks.reply import Reply

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator

    from vsocks.address import Target
    from vsocks.host.audit import Audit
    from vsocks.host.ledger import Ledger
    from vsocks.mux.buffers import Share
    from vsocks.mux.link import Link
    from vsocks.mux.relay import IdleTimeouts

#: Seconds that the guest may take to connect.
_ANSWER_TIMEOUT: Final = 15.0


@dataclass(frozen=True, slots=True)
class Forward:
    """One forwarded port."""

    listen: tuple[str, int]
    #: The address that the guest connects to.
    target: Target


def parse_forward(text: str) -> Forward:
    """[ADDR:]PORT:GUESTADDR:GUESTPORT; IPv6 addresses in brackets. Raises ValueError."""
    parts = split_at_colons(text)
    if len(parts) not in {3, 4}:
        raise ValueError("it must have three or four parts; IPv6 addresses go in brackets")
    ours = loopback_or(":".join(parts[:-2]), least_port=0)
    return Forward((ours.host, ours.port), loopback_or(":".join(parts[-2:])))


class Forwarding(Listener):
    """Serves one forward."""

    def __init__(
        self,
        forward: Forward,
        link: Link,
        pool: Share,
        idle_timeouts: IdleTimeouts,
        *,
        ledger: Ledger,
        audit: Audit | None = None,
    ) -> None:
        super().__init__([forward.listen], self._begin, pool.size)
        #: The address that the guest connects to.
        self.target = forward.target
        self._link = link
        self.log = link.log
        self._pool = pool
        #: Of the connections to come: when they are idle, and who is told of them.
        self.idle_timeouts = idle_timeouts
        self.audit = audit
        self.ledger = ledger

    def start(self) -> str:
        """Listen; returns where. Raises VsocksError if the address can't be had."""
        where = super().start()
        self.log.info("forwarding %s to %s in the guest", where, self.target)
        return where

    def _begin(self, connection: socket.socket, gone: Callable[[], None]) -> _Forwarded:
        return _Forwarded(self, connection, gone)

    def relay(self, on_over: Callable[[str], None]) -> Relay:
        """The relay for one connection. Raises BusyError."""
        return Relay(self._link, self._pool, self.idle_timeouts, on_over)


class Forwards:
    """All forwards of a machine, which come and go: start(), then run() until cancelled."""

    def __init__(self, make: Callable[[Forward], Forwarding]) -> None:
        self._make = make
        self._served: dict[Forward, Forwarding] = {}
        self._running: dict[Forward, asyncio.Task[None]] = {}
        #: While they run: done when one of them fails.
        self._failure: asyncio.Future[None] | None = None

    def __iter__(self) -> Iterator[Forward]:
        return iter(list(self._served))

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """Where they listen, in their order; after start()."""
        return list(self.listening)

    @property
    def listening(self) -> dict[tuple[str, int], Forward]:
        """The same, with what is forwarded."""
        return {forwarding.address: forward for forward, forwarding in self._served.items()}

    def add(self, forward: Forward) -> tuple[str, int]:
        """Serve one more; returns where. Raises VsocksError if its address can't be had."""
        forwarding = self._make(forward)
        forwarding.start()
        self._served[forward] = forwarding
        if self._failure is not None:
            self._run_one(forward)
        return forwarding.address

    async def remove(self, forward: Forward) -> None:
        """Serve it no more, if it is still served; its connections are reset."""
        forwarding, task = self._served.pop(forward, None), self._running.pop(forward, None)
        if forwarding is not None:
            forwarding.close()
        if task is not None:
            await cancel(task)

    def reconfigure(self, idle_timeouts: IdleTimeouts, audit: Audit | None) -> None:
        """Have the connections to come be of that kind."""
        for forwarding in self._served.values():
            forwarding.idle_timeouts = idle_timeouts
            forwarding.audit = audit

    async def run(self) -> None:
        """Serve until cancelled."""
        self._failure = asyncio.get_running_loop().create_future()
        for forward in self._served:
            self._run_one(forward)
        try:
            await self._failure
        finally:
            self._failure = None
            await cancel(*self._running.values())

    def close(self) -> None:
        """Listen no more; if they are not run."""
        for forwarding in self._served.values():
            forwarding.close()

    def _run_one(self, forward: Forward) -> None:
        task = asyncio.create_task(self._served[forward].run())
        task.add_done_callback(self._on_ended)
        self._running[forward] = task

    def _on_ended(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None and self._failure is not None and not self._failure.done():
            self._failure.set_exception(error)


class _Forwarded(Served):
    """One connection. On failure it is reset, so that nobody takes it for an empty response."""

    def __init__(
        self, forwarding: Forwarding, connection: socket.socket, gone: Callable[[], None]
    ) -> None:
        self._target = forwarding.target
        self._log = forwarding.log
        self._gone = gone
        client = None
        with contextlib.suppress(OSError):  # it has been reset by now
            client = target_of(connection.getpeername())
        self._entry = forwarding.ledger.begin(Kind.FORWARD, self._target, client)
        self._audited: AuditedForward | None = None
        if (audit := forwarding.audit) is not None:
            self._audited = AuditedForward(audit, forwarding.address, forwarding.target, client)
        self._socket = reactor().stream(connection, self)
        self._relay: Relay | None = None
        try:
            if self._audited is not None:
                self._audited.check()
            self._relay = self._entry.mover = forwarding.relay(self._on_over)
            self._relay.open(self._target, _ANSWER_TIMEOUT, self._on_answer)
        except (BusyError, NotSupportedError) as error:
            self._log.info("forward to %s: %s", self._target, describe(error))
            if self._audited is not None:
                self._audited.on_refused(describe(error))
            self._entry.refused(Reply.GENERAL_FAILURE)
            self._fail()

    def _on_answer(self, reply: int, _bound: Target | None) -> None:
        if reply or self._relay is None:
            self._log.info("forward to %s: the guest refused it (%d)", self._target, reply)
            if self._audited is not None:
                self._audited.on_refused(f"the guest refused it ({reply})")
            self._entry.refused(reply)
            self._fail()
        else:
            if self._audited is not None:
                self._audited.on_connected(self._relay)
            self._entry.connected(self._target)
            self._relay.run(self._socket)

    def _on_over(self, why: str) -> None:
        if self._audited is not None and self._relay is not None:
            self._audited.on_over(self._relay, why)
        self._entry.over()
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
