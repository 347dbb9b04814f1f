"""Streams that the peer opens: each is connected to its target and relayed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from vsocks.address import target_of
from vsocks.aio.current import reactor
from vsocks.mux.relay import Relay
from vsocks.reply import DialError

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from vsocks.address import IPAddress, Target
    from vsocks.aio.reactor import Watch
    from vsocks.mux.buffers import Share
    from vsocks.mux.link import Link
    from vsocks.mux.machine_log import Log
    from vsocks.mux.relay import IdleTimeouts
    from vsocks.mux.stream import MuxStream


class Connected(Protocol):
    """Called with a connection and the address to tell the peer, or with why there is none.

    It is called once, maybe within the call that began the connect.
    """

    def __call__(self, outcome: tuple[socket.socket, Target] | DialError, /) -> None:
        """The connect has ended."""


class StreamObserver(Protocol):
    """Is told what becomes of one stream: that it could not be connected, or that and its end."""

    def on_connected(self, peer: Target | None, /) -> None:
        """It is connected, to ``peer`` unless that has gone by now."""

    def on_refused(self, error: DialError, /) -> None:
        """It is not."""

    def on_over(self, relay: Relay, why: str, /) -> None:
        """It is over: why, or "" for an orderly end; maybe before it was connected."""


if TYPE_CHECKING:
    #: Begins to connect a stream; closing what it returns abandons that.
    Connect = Callable[[Relay, Connected], Watch]
    #: Why a target must not be connected at that address any more; None if it may.
    Forbidden = Callable[[Target, IPAddress], DialError | None]


class IncomingStreams:
    """All streams that the peer has opened."""

    def __init__(
        self,
        link: Link,
        pool: Share,
        idle_timeouts: IdleTimeouts,
        on_refused: Callable[[str, DialError], None],
    ) -> None:
        """``on_refused`` is told of each that could not be connected: its label, and why."""
        self._link = link
        self._pool = pool
        #: Those of the streams to come.
        self.idle_timeouts = idle_timeouts
        self._on_refused = on_refused
        self._streams: set[_Incoming] = set()

    def serve(
        self,
        stream: MuxStream,
        target: Target,
        connect: Connect,
        observer: StreamObserver | None = None,
    ) -> Relay:
        """Connect ``stream`` and relay it; raises BusyError if the pool has no buffers."""
        incoming = _Incoming(
            target, self._on_refused, self._streams.discard, observer, self._link.log
        )
        relay = Relay(self._link, self._pool, self.idle_timeouts, incoming.on_over)
        self._streams.add(incoming)
        incoming.begin(relay, stream, connect)
        return relay

    def end_those(self, forbidden: Forbidden) -> int:
        """Reset those that are forbidden; one that is only connecting is asked about then.

        Returns how many have been reset.
        """
        return sum(incoming.end_if(forbidden) for incoming in list(self._streams))

    def close(self) -> None:
        """Reset all of them."""
        for incoming in list(self._streams):
            incoming.relay.abort("the daemon ends")


class _Incoming:
    """One stream, from its open to its end."""

    relay: Relay

    def __init__(
        self,
        target: Target,
        on_refused: Callable[[str, DialError], None],
        on_over: Callable[[_Incoming], None],
        observer: StreamObserver | None,
        log: Log,
    ) -> None:
        self._target = target
        self._observer = observer
        self._log = log
        self._on_refused = on_refused
        self._on_over = on_over
        self._connecting: Watch | None = None
        #: Whom it is connected to, and what has changed since it was begun.
        self._peer: Target | None = None
        self._forbidden: Forbidden | None = None
        self._is_over = False

    def begin(self, relay: Relay, stream: MuxStream, connect: Connect) -> None:
        """Connect it."""
        self.relay = relay
        relay.adopt(stream, self._target)
        connecting = connect(relay, self._on_connected)
        if not self._is_over:
            self._connecting = connecting

    def _on_connected(self, outcome: tuple[socket.socket, Target] | DialError) -> None:
        self._connecting = None
        if isinstance(outcome, DialError):
            self._is_over = True
            self._on_refused(self.relay.label, outcome)
            if self._observer is not None:
                self._observer.on_refused(outcome)
            self._on_over(self)
            self.relay.refuse(outcome.reply)
            return
        connection, bound = outcome
        peer = _peer_of(connection)
        if peer is not None and (denial := self._denial(peer)) is not None:
            connection.close()
            self._on_connected(denial)
            return
        self._peer = peer
        if self._observer is not None:
            self._observer.on_connected(peer)
        self.relay.accept(bound)
        self._log.debug("%s %s: connected", self.relay.label, self._target)
        self.relay.run(reactor().stream(connection, self.relay))

    def end_if(self, forbidden: Forbidden) -> bool:
        """Reset it if it is forbidden; if it has no connection yet, ask then."""
        self._forbidden = forbidden
        denial = self._denial(self._peer) if self._peer is not None else None
        if denial is not None:
            self.relay.abort(f"it is forbidden now: {denial.reason}")
        return denial is not None

    def _denial(self, peer: Target) -> DialError | None:
        if self._forbidden is None or (ip := peer.ip) is None:
            return None
        return self._forbidden(self._target, ip)

    def on_over(self, why: str) -> None:
        """The stream is over."""
        self._is_over = True
        if self._connecting is not None:
            self._connecting.close()
            self._connecting = None
        self._on_over(self)
        if self._observer is not None:
            self._observer.on_over(self.relay, why)
        self._log.debug(
            "%s %s: closed%s", self.relay.label, self._target, f" ({why})" if why else ""
        )


def _peer_of(connection: socket.socket) -> Target | None:
    try:
        return target_of(connection.getpeername())
    except OSError:
        return None  # it has been reset by now
