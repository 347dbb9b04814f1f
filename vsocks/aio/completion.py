"""Sockets by completion, as on Windows: the system itself reads into our buffers and writes them.

The operations are the event loop's own, overlapped on its completion port. A read is never
cancelled: it may already have taken bytes, which would be lost. It goes on when nobody wants it any
more, and its bytes go to whoever reads next. A buffer is free only when the system has finished
with it, which can be after the close (pending_io.py).
"""

from __future__ import annotations

import asyncio
import errno
import logging
from typing import TYPE_CHECKING, Any, Final

from vsocks.aio import pending_io
from vsocks.aio.reactor import DATAGRAMS, Reactor, StreamSocket
from vsocks.aio.tasks import Tasks
from vsocks.errors import describe

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Coroutine

    from vsocks.aio.reactor import SocketOwner, TakeDatagram, Watch

log = logging.getLogger(__name__)

#: Seconds that the system may take to end what was cancelled.
_LAST_OPERATIONS: Final = 5.0
#: Windows' ways to say that a client left before it was accepted (python/cpython#93821):
#: ERROR_UNEXP_NET_ERR, ERROR_NETNAME_DELETED, ERROR_SEM_TIMEOUT, ERROR_CONNECTION_ABORTED,
#: WSAECONNRESET, WSAENOTCONN.
_CLIENT_GONE: Final = frozenset({59, 64, 121, 1236, 10054, 10057})
#: Seconds to wait when the system can't receive just now.
_PAUSE: Final = 0.1


class Completion(Reactor):
    """The operations under way in one event loop."""

    name = "completion"

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        #: What ends by itself soon, and nobody waits for.
        self.tasks = Tasks()
        self._at_end: list[Callable[[], None]] = []

    def at_end_of_turn(self, callback: Callable[[], None]) -> None:
        """In the loop's next turn."""
        if not self._at_end:
            self.loop.call_soon(self._end_turn)
        self._at_end.append(callback)

    def _end_turn(self) -> None:
        callbacks, self._at_end = self._at_end, []
        for callback in callbacks:
            callback()

    def close(self) -> None:
        """Wait no more for the end of operations."""
        self.deadlines.close()
        self.tasks.give_up()

    def stream(self, sock: socket.socket, owner: SocketOwner) -> StreamSocket:
        """Take over a connected socket."""
        return OverlappedSocket(self, sock, owner)

    def accept(
        self,
        listener: socket.socket,
        on_client: Callable[[socket.socket], None],
        on_failed: Callable[[OSError], None],
    ) -> Watch:
        """One after the other."""
        self.loop.set_exception_handler(_on_stray_error)

        async def accept_each() -> None:
            while True:
                try:
                    client, _ = await self.loop.sock_accept(listener)
                except OSError as error:
                    on_failed(error)
                else:
                    on_client(client)
                # While more clients wait, accepting doesn't: the others want a turn, too.
                await asyncio.sleep(0)

        return _Doing(self, accept_each())

    def connect(
        self,
        sock: socket.socket,
        address: tuple[Any, ...],
        on_done: Callable[[OSError | None], None],
    ) -> Watch:
        """By an overlapped connect."""

        async def connect() -> None:
            try:
                await self.loop.sock_connect(sock, address)
            except OSError as error:
                on_done(error)
            else:
                on_done(None)

        return _Doing(self, connect())

    def receive(
        self,
        sock: socket.socket,
        buffer: memoryview,
        take: TakeDatagram,
        in_a_row: int = DATAGRAMS,
    ) -> Watch:
        """One after the other."""

        async def receive_each() -> None:
            taken = 0
            while True:
                try:
                    size, source = await self.loop.sock_recvfrom_into(sock, buffer)
                except ConnectionResetError:
                    # Windows says so, or names no source, when one that we sent reached nobody.
                    source = None
                except OSError as error:
                    log.debug("receiving a datagram failed: %s", describe(error))
                    await asyncio.sleep(_PAUSE)
                    continue
                if source is not None:
                    take(buffer[:size], source)
                taken += 1
                if taken % in_a_row == 0 or source is None:
                    await asyncio.sleep(0)

        return _Doing(self, receive_each())


def is_client_gone(error: BaseException | None) -> bool:
    """Whether accepting failed because a client left before it was accepted."""
    return isinstance(error, OSError) and (
        error.errno == errno.ECONNABORTED or getattr(error, "winerror", None) in _CLIENT_GONE
    )


def _on_stray_error(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Drop asyncio's second report of a failed accept, which comes from a task of its own."""
    if not is_client_gone(context.get("exception")):
        loop.default_exception_handler(context)


class _Doing:
    """A task of the reactor that can be cancelled."""

    def __init__(self, reactor: Completion, work: Coroutine[Any, Any, None]) -> None:
        self._task = reactor.tasks.start(work)

    def close(self) -> None:
        """Give it up."""
        self._task.cancel()


class OverlappedSocket(StreamSocket):
    """A stream socket with at most one read and one write under way."""

    def __init__(self, reactor: Completion, sock: socket.socket, owner: SocketOwner) -> None:
        super().__init__(sock, owner)
        self._reactor = reactor
        self._loop = reactor.loop
        #: Where the owner wants the next bytes; where the read that is under way puts them.
        self._wanted: memoryview | None = None
        self._into: memoryview | None = None
        self._reading: asyncio.Task[int] | None = None
        self._writing: asyncio.Task[None] | None = None
        self._at_end = False
        self._failure: OSError | None = None
        self._gives = False
        self._is_closed = False

    def __repr__(self) -> str:
        reads = "reading" if self._wanted is not None else "not reading"
        return f"<OverlappedSocket {reads}, write under way: {self._writing is not None}>"

    # -- reading ---------------------------------------------------------------------------

    def read(self, buffer: memoryview) -> None:
        """Start a read, unless one is under way."""
        self._wanted = buffer
        if self._unread or self._at_end or self._failure is not None:
            self._give_soon()
        elif self._reading is None:
            self._into = buffer
            self._reading = self._loop.create_task(self._receive(buffer))
            self._reading.add_done_callback(self._on_received)

    async def _receive(self, buffer: memoryview) -> int:
        return await self._loop.sock_recv_into(self._sock, buffer)

    def stop_reading(self) -> None:
        """The read that is under way goes on."""
        self._wanted = None

    def read_more(self, buffer: memoryview) -> int:
        """Not while a read is under way, whose bytes come first."""
        return 0 if self._reading is not None else super().read_more(buffer)

    def _on_received(self, reading: asyncio.Task[int]) -> None:
        into, self._into, self._reading = self._into, None, None
        if self._is_closed or reading.cancelled():
            return
        error = reading.exception()
        if isinstance(error, OSError):
            self._failure = error
        elif error is not None:
            raise error
        elif not reading.result():
            self._at_end = True
        elif into is not None and into is self._wanted and not self._unread:
            self._wanted = None
            self.owner.on_read(reading.result())
            return
        elif into is not None:
            self._unread += bytes(into[: reading.result()])
        self._give()

    def _give_soon(self) -> None:
        if not self._gives:
            self._gives = True
            self._loop.call_soon(self._give)

    def _give(self) -> None:
        """Tell the owner what it wants to know and has not been told."""
        self._gives = False
        buffer = self._wanted
        if buffer is None or self._is_closed:
            return
        if unread := self._unread:
            size = min(len(buffer), len(unread))
            buffer[:size] = unread[:size]
            self._unread = unread[size:]
            self._wanted = None
            self.owner.on_read(size)
        elif self._failure is not None:
            self._wanted = None
            self.owner.on_failed(self._failure)
        elif self._at_end:
            self._wanted = None
            self.owner.on_read(0)

    # -- writing ---------------------------------------------------------------------------

    def write_rest(self, data: bytes | memoryview) -> None:
        """The system sends it, straight from that buffer."""
        assert self._writing is None, "one piece at a time"
        self._writing = self._loop.create_task(self._loop.sock_sendall(self._sock, data))
        self._writing.add_done_callback(self._on_sent)

    def _on_sent(self, writing: asyncio.Task[None]) -> None:
        self._writing = None
        if self._is_closed or writing.cancelled():
            return
        error = writing.exception()
        if isinstance(error, OSError):
            if self._failure is None:
                self._failure = error
                self.owner.on_failed(error)
        elif error is not None:
            raise error
        else:
            self.owner.on_written()

    # -- the end ---------------------------------------------------------------------------

    def close(self, *, reset: bool = False, then: Callable[[], None] = lambda: None) -> None:
        """What is under way is cancelled; ``then`` is called when it has ended."""
        if self._is_closed:
            return
        self._is_closed = True
        self._wanted = None
        under_way = [task for task in (self._reading, self._writing) if task is not None]
        for task in under_way:
            task.cancel()
        self._close_socket(reset=reset)
        if under_way:
            self._reactor.tasks.start(self._wait_for_end(then))
        else:
            then()

    async def _wait_for_end(self, then: Callable[[], None]) -> None:
        if await pending_io.have_ended(self._sock, within=_LAST_OPERATIONS):
            then()
        else:
            log.error("an operation on a closed socket doesn't end; its buffers stay out of use")
