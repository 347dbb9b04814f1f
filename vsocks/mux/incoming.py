"""Streams that the peer opens: each is connected to its target and relayed."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Protocol

from vsocks.aio.current import reactor
from vsocks.mux.relay import Relay
from vsocks.reply import DialError

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from vsocks.address import Target
    from vsocks.aio.reactor import Watch
    from vsocks.mux.buffers import Share
    from vsocks.mux.link import Link
    from vsocks.mux.relay import IdleTimeouts
    from vsocks.mux.stream import MuxStream

log = logging.getLogger(__name__)


class Connected(Protocol):
    """Called with a connection and the address to tell the peer, or with why there is none.

    It is called once, maybe within the call that began the connect.
    """

    def __call__(self, outcome: tuple[socket.socket, Target] | DialError, /) -> None:
        """The connect has ended."""


class StreamObserver(Protocol):
    """Is told what becomes of one stream: that it could not be connected, or that and its end."""

    def on_connected(self, connection: socket.socket, /) -> None:
        """It is connected."""

    def on_refused(self, error: DialError, /) -> None:
        """It is not."""

    def on_over(self, relay: Relay, why: str, /) -> None:
        """It is over: why, or "" for an orderly end; maybe before it was connected."""


if TYPE_CHECKING:
    #: Begins to connect a stream; closing what it returns abandons that.
    Connect = Callable[[Relay, Connected], Watch]


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
        self._idle_timeouts = idle_timeouts
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
        incoming = _Incoming(target, self._on_refused, self._streams.discard, observer)
        relay = Relay(self._link, self._pool, self._idle_timeouts, incoming.on_over)
        self._streams.add(incoming)
        incoming.begin(relay, stream, connect)
        return relay

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
    ) -> None:
        self._target = target
        self._observer = observer
        self._on_refused = on_refused
        self._on_over = on_over
        self._connecting: Watch | None = None
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
        if self._observer is not None:
            self._observer.on_connected(connection)
        self.relay.accept(bound)
        log.debug("%s %s: connected", self.relay.label, self._target)
        self.relay.run(reactor().stream(connection, self.relay))

    def on_over(self, why: str) -> None:
        """The stream is over."""
        self._is_over = True
        if self._connecting is not None:
            self._connecting.close()
            self._connecting = None
        self._on_over(self)
        if self._observer is not None:
            self._observer.on_over(self.relay, why)
        log.debug("%s %s: closed%s", self.relay.label, self._target, f" ({why})" if why else "")
