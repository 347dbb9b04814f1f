"""One socket <-> one stream, with back-pressure both ways.

Towards the channel a task reads the socket and sends, and reads no more until that has gone.
From the channel data is written to the socket at once; what it doesn't take waits in the
slot's ring, which has room for all that the peer has credit for.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from vsocks.aio.tasks import cancel
from vsocks.errors import SessionLostError
from vsocks.mux.owned_stream import Lease
from vsocks.protocol.messages import CloseCode

if TYPE_CHECKING:
    from vsocks.mux.pool import Pool
    from vsocks.mux.switchboard import Switchboard

#: SO_LINGER on, 0 seconds: closing resets the connection, so that the end doesn't look clean.
_RESET_ON_CLOSE: Final = struct.pack("HH" if sys.platform == "win32" else "ii", 1, 0)
#: Bytes written to a slow socket before the peer gets credit for them.
_DRAIN_SIZE: Final = 64 * 1024
#: A read of so many bytes is part of a longer run, of which more has come by now.
_MORE_FOLLOWS: Final = 32 * 1024


@dataclass(frozen=True, slots=True)
class IdleTimeouts:
    """How long, in seconds, a connection may be silent before it is reset."""

    idle: float = 86400.0
    #: When one direction has ended.
    half_closed: float = 300.0


class Relay(Lease):
    """A Lease for a stream whose bytes are a socket's."""

    def __init__(self, switchboard: Switchboard, pool: Pool, idle_timeouts: IdleTimeouts) -> None:
        super().__init__(switchboard, pool)
        self._idle_timeouts = idle_timeouts
        #: The connection that is relayed, and the same as soon as data may be written to it.
        self._connection: socket.socket | None = None
        self._socket: socket.socket | None = None
        #: Done when the peer has ended and all its data has been given to the socket.
        self._delivered: asyncio.Future[None] = self._loop.create_future()
        self._peer_ended = False
        self._we_ended = False
        self._drainer: asyncio.Task[None] | None = None
        self._moved = 0

    # -- relaying --------------------------------------------------------------------------

    async def run(
        self,
        connection: socket.socket,
        greeting: bytes = b"",
        head: bytes = b"",
        reading: asyncio.Task[bytes] | None = None,
    ) -> None:
        """Relay until both directions have ended.

        ``greeting`` goes to the socket before all else; ``head`` was read from it before, and
        what ``reading`` brings comes next. Closes ``connection`` in the end. Raises OSError if
        the socket fails.
        """
        self._connection = connection
        if greeting:
            await self._loop.sock_sendall(connection, greeting)
        self._socket = connection
        self._watch()
        self._deliver_ring()
        with contextlib.suppress(SessionLostError):
            await self._pump(connection, head, reading)
            if not self._delivered.done():
                self._we_ended = True
                self._watch()
                await self._delivered
            self._close_stream(CloseCode.DONE)

    async def _pump(
        self, connection: socket.socket, head: bytes, reading: asyncio.Task[bytes] | None
    ) -> None:
        """Move bytes from the socket to the channel, to the end."""
        stream, buffer = self._stream, self._slot.outbound
        if stream is None:
            return
        if head:
            await self._switchboard.send(stream, memoryview(head))
        at_end = False
        if reading is not None:
            data = await reading
            at_end = not data
            await self._switchboard.send(stream, memoryview(data))
        while not at_end and (size := await self._loop.sock_recv_into(connection, buffer)):
            if size >= _MORE_FOLLOWS:
                size = _read_on(connection, buffer, size)
            self._moved += size
            await self._switchboard.send(stream, buffer[:size])
            if size == len(buffer):
                # More is waiting, so the read may not wait: let the others have a turn.
                await asyncio.sleep(0)
        if not self._switchboard.half_closes:
            self._peer_ended = True
            self._finish_if_delivered()
        elif not self._delivered.done():
            self._switchboard.end(stream)

    def _deliver_ring(self) -> None:
        if len(self._slot.inbound) and self._drainer is None and self._socket is not None:
            self._drainer = self._loop.create_task(self._drain(self._socket))
        else:
            self._finish_if_delivered()

    async def _drain(self, connection: socket.socket) -> None:
        """Give the socket what is in the ring, as fast as it takes it."""
        ring = self._slot.inbound
        try:
            while waiting := ring.peek()[:_DRAIN_SIZE]:
                await self._loop.sock_sendall(connection, waiting)
                ring.drop(len(waiting))
                self._consumed(len(waiting))
                self._switchboard.flush()
        except OSError as error:
            self._abort(f"the connection failed: {error.strerror}", CloseCode.RESET)
        else:
            self._drainer = None
            self._finish_if_delivered()

    def _consumed(self, size: int) -> None:
        self._moved += size
        if self._stream is not None:
            self._switchboard.consumed(self._stream, size)

    def _finish_if_delivered(self) -> None:
        connection = self._socket
        if not self._peer_ended or len(self._slot.inbound) or connection is None:
            return
        if not self._delivered.done():
            self._delivered.set_result(None)
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_WR)
            self._watch()

    # -- what is told ----------------------------------------------------------------------

    def on_data(self, data: memoryview) -> None:
        """Data has come: write it now if nothing waits before it."""
        size = 0
        if self._socket is not None and not len(self._slot.inbound):
            try:
                size = self._socket.send(data)
            except (BlockingIOError, InterruptedError):
                size = 0
            except OSError as error:
                self._abort(f"the connection failed: {error.strerror}", CloseCode.RESET)
                return
            self._consumed(size)
        if size < len(data):
            self._slot.inbound.put(data[size:])
            if self._socket is not None:
                self._deliver_ring()

    def on_end(self) -> None:
        """The peer sends no more."""
        self._peer_ended = True
        self._finish_if_delivered()

    # -- endings ---------------------------------------------------------------------------

    @property
    def _buffer_user(self) -> socket.socket | None:
        return self._connection

    async def _let_go(self, *, failed: bool) -> None:
        try:
            if self._drainer is not None:
                await cancel(self._drainer)
        finally:
            connection, self._connection, self._socket = self._connection, None, None
            if connection is not None:
                if failed:
                    reset_on_close(connection)
                connection.close()

    def _watch(self) -> None:
        """Look from now on whether anything moves; with half of it closed, more often."""
        half_closed = self._we_ended or self._delivered.done()
        seconds = self._idle_timeouts.half_closed if half_closed else self._idle_timeouts.idle
        self._stop_timer()
        self._timer = self._loop.call_later(seconds, self._check_moved, self._moved)

    def _check_moved(self, moved_before: int) -> None:
        if self._moved == moved_before:
            self._abort("silent for too long", CloseCode.TIMEOUT)
        else:
            self._watch()


def reset_on_close(connection: socket.socket) -> None:
    """Have the connection end by a reset when it is closed, so that the end doesn't look clean."""
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)


def _read_on(connection: socket.socket, buffer: memoryview, size: int) -> int:
    """Read more behind the first ``size`` bytes without waiting; returns how many there are.

    The first piece of a bulk transfer wakes us while the rest is still being written; fewer and
    longer pieces cost much less a byte. Raises OSError: the system tells of a reset only once.
    """
    with contextlib.suppress(BlockingIOError, InterruptedError):
        while size < len(buffer) and (more := connection.recv_into(buffer[size:])):
            size += more
    return size
