"""One socket <-> one stream, with back-pressure both ways.

From the socket: it is read into the pool's buffer, and that is sent; nothing more is read until it
has left. To the socket: data is written at once; what the socket doesn't take waits in the ring,
which has room for all that the peer has credit for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from vsocks.errors import describe
from vsocks.mux.stream import StreamUser
from vsocks.protocol.messages import CloseCode

if TYPE_CHECKING:
    from collections.abc import Callable

    from vsocks.aio.reactor import StreamSocket
    from vsocks.mux.buffers import Share
    from vsocks.mux.link import Link

#: Bytes written to a slow socket before the peer gets credit for them.
_DRAIN_SIZE: Final = 64 * 1024
#: A read of so many bytes is part of a longer run, of which more has come by now.
_MORE_FOLLOWS: Final = 32 * 1024


@dataclass(frozen=True, slots=True)
class IdleTimeouts:
    """How long, in seconds, a connection may be idle before it is reset."""

    idle: float = 86400.0
    #: Once one direction has ended.
    half_closed: float = 300.0


class Relay(StreamUser):
    """A stream whose bytes are a socket's; a SocketOwner.

    open() or adopt() ──run()──> relaying ──both have ended──> over
          └────────── abort(), a failure ──────────────────────^
    """

    def __init__(
        self,
        link: Link,
        pool: Share,
        idle_timeouts: IdleTimeouts,
        on_over: Callable[[str], None],
    ) -> None:
        """``on_over`` is called once, when all is over and released: why, or "" for an orderly end.

        It isn't called after a refusal, ours or the peer's. Raises BusyError if the pool has no
        buffers.
        """
        super().__init__(link, pool)
        self._idle_timeouts = idle_timeouts
        self._on_over = on_over
        self._socket: StreamSocket | None = None
        #: Of what the socket is writing, how many bytes are the ring's.
        self._draining = 0
        self._is_writing = False
        #: The peer has ended; all of its data has been given to the socket; the socket has ended.
        self._peer_ended = False
        self._is_delivered = False
        self._we_ended = False
        #: How many bytes had passed in sum when the idle time began.
        self._moved_before = 0

    def run(self, socket: StreamSocket, reply: bytes = b"") -> None:
        """Relay ``socket``, which the relay owns from now on, after writing ``reply`` to it."""
        if self.aborted:
            socket.close(reset=True)
            return
        self._socket = socket
        socket.owner = self
        self._watch()
        try:
            written = socket.write(reply) if reply else 0
        except OSError as error:
            self.on_failed(error)
            return
        if written < len(reply):
            self._is_writing = True
            socket.write_rest(reply[written:])
        else:
            self._drain()
        if not self._we_ended:
            socket.read(self.buffers.outbound)

    @property
    def is_left(self) -> bool:
        """Whether the socket has ended, and nothing has moved since."""
        return self._we_ended and self._moved == self._moved_before

    @property
    def _moved(self) -> int:
        """Bytes that have passed either way."""
        return self.read + self.written

    # -- from the socket -------------------------------------------------------------------

    def on_read(self, size: int) -> None:
        """Send what has come."""
        socket, stream = self._socket, self._stream
        if socket is None or stream is None:
            return
        if not size:
            self._end_ours()
            return
        buffer = self.buffers.outbound
        if size >= _MORE_FOLLOWS:
            # The first piece of a bulk transfer wakes us while the rest is still being written;
            # fewer and longer pieces cost much less a byte.
            try:
                while size < len(buffer) and (more := socket.read_more(buffer[size:])):
                    size += more
            except OSError as error:
                self.on_failed(error)
                return
        self.read += size
        self._note("read", size)
        stream.send(buffer[:size])

    def on_sent(self) -> None:
        """The buffer is free: read on."""
        if self._socket is not None:
            self._socket.read(self.buffers.outbound)

    def _end_ours(self) -> None:
        """The socket has ended."""
        self._we_ended = True
        self._note("has ended")
        if self._stream is not None and not self._stream.half_closes:
            self._peer_ended = True
            self._finish_if_delivered()
        elif self._is_delivered:
            self._finish()
        elif self._stream is not None:
            self._stream.end()
        if not self._is_delivered:
            self._watch()

    # -- to the socket ---------------------------------------------------------------------

    def on_data(self, data: memoryview) -> None:
        """Write it now, unless other data waits before it."""
        socket = self._socket
        if socket is None or self._is_writing or len(self.buffers.inbound):
            self.buffers.inbound.put(data)
            return
        try:
            size = socket.write(data)
        except OSError as error:
            self.on_failed(error)
            return
        self._note("written", size)
        self._consumed(size)
        if size < len(data):
            self.buffers.inbound.put(data[size:])
            self._drain()

    def _drain(self) -> None:
        """Give the socket what is in the ring, piece by piece."""
        if self._is_writing or self._socket is None:
            return
        waiting = self.buffers.inbound.peek()[:_DRAIN_SIZE]
        if waiting:
            self._is_writing = True
            self._draining = len(waiting)
            self._socket.write_rest(waiting)
        else:
            self._finish_if_delivered()

    def on_written(self) -> None:
        """A piece has been written."""
        self._is_writing = False
        size, self._draining = self._draining, 0
        if size:
            self._note("written", size)
            self.buffers.inbound.drop(size)
            self._consumed(size)
        self._drain()

    def _consumed(self, size: int) -> None:
        self.written += size
        if self._stream is not None:
            self._stream.consumed(size)

    def on_end(self) -> None:
        """The peer sends no more."""
        self._peer_ended = True
        self._finish_if_delivered()

    def _finish_if_delivered(self) -> None:
        socket = self._socket
        if not self._peer_ended or self._is_writing or socket is None or self._is_delivered:
            return
        if len(self.buffers.inbound):
            return
        self._is_delivered = True
        if self._we_ended or (self._stream is not None and not self._stream.half_closes):
            # Where one direction can't end by itself, the peer takes no more either.
            self._finish()
        else:
            socket.end()
            self._note("end")
            self._watch()

    def _note(self, what: str, size: int = 0) -> None:
        if self._link.trace is not None:
            self._link.trace.socket(self.label, what, size)

    # -- endings ---------------------------------------------------------------------------

    def _watch(self) -> None:
        """Start the idle time anew; it is shorter once one direction has ended."""
        half_closed = self._we_ended or self._is_delivered
        seconds = self._idle_timeouts.half_closed if half_closed else self._idle_timeouts.idle
        self._moved_before = self._moved
        self._deadlines.set(self, seconds, self._check_moved)

    def _check_moved(self) -> None:
        if self._moved == self._moved_before:
            self.abort("silent for too long", CloseCode.TIMEOUT)
        else:
            self._watch()

    def on_failed(self, error: OSError) -> None:
        """The socket has failed."""
        self.abort(f"the connection failed: {describe(error)}")

    def _finish(self) -> None:
        """Both directions have ended, and everything is delivered."""
        self._close_stream(CloseCode.DONE)
        self._give_up()
        self._on_over("")

    def _on_aborted(self) -> None:
        self._on_over(self.aborted)

    def _give_up(self) -> None:
        socket, self._socket = self._socket, None
        self._deadlines.clear(self)
        if socket is not None:
            self._note("reset" if self.aborted else "close")
            socket.close(reset=bool(self.aborted), then=self._give_back)
        else:
            self._give_back()
