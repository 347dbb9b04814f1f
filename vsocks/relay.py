"""One socket <-> one stream, with back-pressure both ways.

Towards the channel a task reads the socket and sends, and reads no more until that has gone.
From the channel data is written to the socket at once; what it doesn't take waits in the
slot's ring, which has room for all that the peer has credit for.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import struct
import sys
from typing import TYPE_CHECKING, Final, Self

from vsocks import operations
from vsocks.errors import SessionLostError
from vsocks.messages import CloseCode
from vsocks.reply import Reply
from vsocks.tasks import cancel

if TYPE_CHECKING:
    from types import TracebackType

    from vsocks.address import Target
    from vsocks.link import Link
    from vsocks.pool import Pool
    from vsocks.streams import Stream

    #: The host's reply to an open, and its own address on the connection.
    Answer = tuple[int, Target | None]

log = logging.getLogger(__name__)

#: SO_LINGER on, 0 seconds: closing resets the connection, so that the end doesn't look clean.
_RESET_ON_CLOSE: Final = struct.pack("HH" if sys.platform == "win32" else "ii", 1, 0)
#: Bytes written to a slow socket before the peer gets credit for them.
_DRAIN_SIZE: Final = 64 * 1024
#: Seconds that the system may take to end what was cancelled.
_LAST_OPERATIONS: Final = 5.0
#: A read of so many bytes is part of a longer run, of which more has come by now.
_MORE_FOLLOWS: Final = 32 * 1024


class Relay:
    """The life of one stream in a daemon; use it as a context in the task that runs it.

    Leaving the context closes the stream and the socket, by a reset if the relay isn't
    through. If the peer resets the stream or the session is lost, the task's wait is
    cancelled, and the context swallows that cancellation (``aborted`` says why it ended).
    Raises BusyError if the pool has no slot.
    """

    def __init__(self, link: Link, pool: Pool, half_close_timeout: float) -> None:
        self._link = link
        self._pool = pool
        self._slot = pool.take()
        self._half_close_timeout = half_close_timeout
        self._loop = asyncio.get_running_loop()
        self._task: asyncio.Task[object] | None = None
        self._stream: Stream | None = None
        #: The connection that is relayed, and the same as soon as data may be written to it.
        self._connection: socket.socket | None = None
        self._socket: socket.socket | None = None
        self._answer: asyncio.Future[Answer] = self._loop.create_future()
        #: Done when the peer has ended and all its data has been given to the socket.
        self._delivered: asyncio.Future[None] = self._loop.create_future()
        self._peer_ended = False
        self._drainer: asyncio.Task[None] | None = None
        #: Until the answer, and while half-closed.
        self._timer: asyncio.TimerHandle | None = None
        self._moved = 0
        self.aborted = ""

    async def __aenter__(self) -> Self:
        self._task = asyncio.current_task()
        if self.aborted and self._task is not None:
            self._task.cancel()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        task, self._task = self._task, None
        self._stop_timer()
        self._close_stream(CloseCode.RESET)
        try:
            if self._drainer is not None:
                await cancel(self._drainer)
        finally:
            connection = self._connection
            self._close_socket(reset=kind is not None or bool(self.aborted))
            await self._give_back_slot(connection)
        if kind is asyncio.CancelledError and self.aborted and task is not None:
            return task.uncancel() == 0
        return False

    # -- before there is a connection ------------------------------------------------------

    def open(self, target: Target, timeout: float) -> asyncio.Future[Answer]:
        """Open a stream to ``target``; what is returned will hold the host's answer.

        After ``timeout`` seconds it is a general failure. Raises BusyError if there is no session
        or no free stream.
        """
        self._timer = self._loop.call_later(timeout, self.on_answer, Reply.GENERAL_FAILURE, None)
        self._stream = self._link.open(target, self)
        if not self._link.confirms_open:
            self._answer.set_result((Reply.SUCCEEDED, None))
        return self._answer

    def adopt(self, stream: Stream) -> None:
        """Take a stream that the peer has opened."""
        self._stream = stream

    def accept(self, bound: Target | None) -> None:
        """Tell the peer that its target is connected."""
        if self._stream is not None:
            self._link.accept(self._stream, bound)

    def refuse(self, reply: Reply) -> None:
        """Tell the peer why its target isn't connected."""
        if self._stream is not None:
            self._link.refuse(self._stream, reply)
            self._stream = None

    # -- relaying --------------------------------------------------------------------------

    async def run(
        self, connection: socket.socket, greeting: bytes = b"", head: bytes = b""
    ) -> None:
        """Relay until both directions have ended.

        ``greeting`` goes to the socket before all else; ``head`` was read from it before. Closes
        ``connection`` in the end. Raises OSError if the socket fails.
        """
        self._connection = connection
        if greeting:
            await self._loop.sock_sendall(connection, greeting)
        self._socket = connection
        self._deliver_ring()
        with contextlib.suppress(SessionLostError):
            await self._pump(connection, head)
            if not self._delivered.done():
                self._watch()
                await self._delivered
            self._close_stream(CloseCode.DONE)

    async def _pump(self, connection: socket.socket, head: bytes) -> None:
        """Move bytes from the socket to the channel, to the end."""
        stream, buffer = self._stream, self._slot.outbound
        if stream is None:
            return
        if head:
            await self._link.send(stream, memoryview(head))
        while size := await self._loop.sock_recv_into(connection, buffer):
            if size >= _MORE_FOLLOWS:
                size = _read_on(connection, buffer, size)
            self._moved += size
            await self._link.send(stream, buffer[:size])
            if size == len(buffer):
                # More is waiting, so the read may not wait: let the others have a turn.
                await asyncio.sleep(0)
        if not self._link.half_closes:
            self._peer_ended = True
            self._finish_if_delivered()
        elif not self._delivered.done():
            self._link.end(stream)

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
                self._link.flush()
        except OSError as error:
            self._abort(f"the connection failed: {error.strerror}", CloseCode.RESET)
        else:
            self._drainer = None
            self._finish_if_delivered()

    def _consumed(self, size: int) -> None:
        self._moved += size
        if self._stream is not None:
            self._link.consumed(self._stream, size)

    def _finish_if_delivered(self) -> None:
        connection = self._socket
        if not self._peer_ended or len(self._slot.inbound) or connection is None:
            return
        if not self._delivered.done():
            self._delivered.set_result(None)
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_WR)
            self._watch()

    # -- what the link tells ---------------------------------------------------------------

    def on_answer(self, reply: int, bound: Target | None) -> None:
        """The host has answered."""
        if reply:
            self._close_stream(CloseCode.RESET)
        self._stop_timer()
        if not self._answer.done():
            self._answer.set_result((reply, bound))

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

    def on_close(self, code: int) -> None:
        """The peer is done with the stream."""
        if code == CloseCode.DONE:
            self.on_end()
        else:
            self._abort("the peer reset the stream", CloseCode.RESET)

    def on_lost(self, reason: str) -> None:
        """The session is over."""
        self._stream = None
        self._abort(f"session lost: {reason}", CloseCode.RESET)

    # -- endings ---------------------------------------------------------------------------

    def _abort(self, reason: str, code: CloseCode) -> None:
        """End the relay from outside of its task."""
        if self.aborted:
            return
        self.aborted = reason
        self._close_stream(code)
        if self._task is not None:
            self._task.cancel()

    def _close_stream(self, code: CloseCode) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            self._link.close(stream, code)

    def _close_socket(self, *, reset: bool) -> None:
        connection, self._connection, self._socket = self._connection, None, None
        if connection is None:
            return
        if reset:
            with contextlib.suppress(OSError):
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        connection.close()

    async def _give_back_slot(self, connection: socket.socket | None) -> None:
        """Let another stream have the buffers, once the system is through with them, too."""
        if connection is None or await operations.have_ended(connection, within=_LAST_OPERATIONS):
            self._pool.give_back(self._slot)
        else:
            log.error("an operation on a closed socket doesn't end; its buffers stay out of use")

    def _watch(self) -> None:
        """A half-closed stream may not wait for ever for its other half."""
        if self._timer is None:
            self._timer = self._loop.call_later(
                self._half_close_timeout, self._check_moved, self._moved
            )

    def _check_moved(self, moved_before: int) -> None:
        self._timer = None
        if self._moved == moved_before:
            self._abort("half-closed and silent for too long", CloseCode.TIMEOUT)
        else:
            self._watch()

    def _stop_timer(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()


def _read_on(connection: socket.socket, buffer: memoryview, size: int) -> int:
    """Read more behind the first ``size`` bytes without waiting; returns how many there are.

    The first piece of a bulk transfer wakes us while the rest is still being written; fewer and
    longer pieces cost much less a byte. Raises OSError: the system tells of a reset only once.
    """
    with contextlib.suppress(BlockingIOError, InterruptedError):
        while size < len(buffer) and (more := connection.recv_into(buffer[size:])):
            size += more
    return size
