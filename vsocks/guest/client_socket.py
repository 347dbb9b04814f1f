"""Watching a client that waits for its answer, or that has had its last."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from vsocks.aio.current import reactor

if TYPE_CHECKING:
    from collections.abc import Callable

    from vsocks.aio.reactor import StreamSocket

#: Seconds in which a client that has had its last answer may read it. One that goes on sending
#: reads it only afterwards, if it is not reset.
_LINGER: Final = 1.0
_LONGEST_LINGER: Final = 30.0
#: Seconds that a client which has ended its side, and sent nothing ahead, is taken to be there.
_GRACE: Final = 0.3


class WaitingClient:
    """A client that waits for the host's answer; a SocketOwner until stop().

    What it sends ahead is pushed back to the socket, one piece of it. A client that ends without
    having sent anything has left; one that has sent something may have half-closed.
    """

    def __init__(
        self,
        socket: StreamSocket,
        buffer: memoryview,
        on_left: Callable[[], None],
        *,
        has_sent: bool,
    ) -> None:
        """``has_sent``: it has sent something ahead already."""
        self._socket = socket
        self._buffer = buffer
        self._on_left = on_left
        socket.owner = self
        if not has_sent:
            socket.read(buffer)

    def stop(self) -> None:
        """Wait no more; the socket is another owner's from now on."""
        reactor().deadlines.clear(self)
        self._socket.stop_reading()

    def on_read(self, size: int) -> None:
        """It has sent something ahead, or ended."""
        if size:
            self._socket.push_back(self._buffer[:size])
        else:
            reactor().deadlines.set(self, _GRACE, self._on_left)

    def on_written(self) -> None:
        """Nothing is written while it waits."""

    def on_failed(self, _error: OSError) -> None:
        """It has left."""
        self._on_left()


class LeavingClient:
    """A client that gets its last answer and a moment to read it; a SocketOwner.

    Closing a socket with unread bytes resets it, and the reset may overtake what was written. So
    what the client still sends is read and discarded.
    """

    def __init__(
        self,
        socket: StreamSocket,
        buffer: memoryview,
        last: bytes,
        on_gone: Callable[[], None],
    ) -> None:
        """``on_gone`` is called, maybe within this call, when the socket is closed."""
        self._socket = socket
        self._buffer = buffer
        self._on_gone = on_gone
        socket.owner = self
        self._until = reactor().loop.time() + _LONGEST_LINGER
        reactor().deadlines.set(self, _LINGER, self._close)
        try:
            written = socket.write(last) if last else 0
        except OSError:
            self._close()
            return
        self._has_ended = False
        self._is_writing = written < len(last)
        if self._is_writing:
            socket.write_rest(last[written:])
        else:
            socket.end()
        socket.read(buffer)

    def on_read(self, size: int) -> None:
        """It has sent something more, or ended."""
        if size:
            left = self._until - reactor().loop.time()
            reactor().deadlines.set(self, min(_LINGER, left), self._close)
            self._socket.read(self._buffer)
            return
        self._has_ended = True
        if not self._is_writing:
            self._close()

    def on_written(self) -> None:
        """All of the answer has been sent."""
        self._is_writing = False
        self._socket.end()
        if self._has_ended:
            self._close()

    def on_failed(self, _error: OSError) -> None:
        """It has left."""
        self._close()

    def _close(self) -> None:
        reactor().deadlines.clear(self)
        self._socket.close()
        self._on_gone()
