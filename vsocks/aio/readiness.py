"""Sockets by readiness, on Linux.

All sockets are in one epoll set, and the event loop watches the set as a single reader. Registering
a socket costs one system call; a reader of asyncio's own costs ten times as much. All sockets that
are ready have their turn in one go, and what should happen once a turn happens at its end. A socket
stays registered from one read to the next; it is removed when it is ready and nobody wants to read.
"""

from __future__ import annotations

import sys

assert sys.platform != "win32"

import errno
import os
import select
from typing import TYPE_CHECKING, Any, Final

from vsocks.aio.reactor import DATAGRAMS, NOTHING, Reactor, StreamSocket

if TYPE_CHECKING:
    import asyncio
    import socket
    from collections.abc import Callable

    from vsocks.aio.reactor import SocketOwner, TakeDatagram, Watch

IN: Final = select.EPOLLIN
OUT: Final = select.EPOLLOUT

#: Sockets that have a turn in one go and clients accepted in one turn.
_SOCKETS: Final = 256
_ACCEPTED: Final = 16


class Readiness(Reactor):
    """The epoll set of one event loop."""

    name = "readiness"

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self._epoll = select.epoll()
        self._handlers: dict[int, Callable[[int], None]] = {}
        self._at_end: list[Callable[[], None]] = []
        self._in_turn = False
        loop.add_reader(self._epoll.fileno(), self._turn)

    # -- the set ---------------------------------------------------------------------------

    def watch(self, fd: int, events: int, handler: Callable[[int], None]) -> None:
        """Call ``handler`` with what is ready, each time, until forget().

        That is a hint: another handler in the same turn may have changed it.
        """
        self._epoll.register(fd, events)
        self._handlers[fd] = handler

    def change(self, fd: int, events: int) -> None:
        """Watch for other events instead."""
        self._epoll.modify(fd, events)

    def forget(self, fd: int) -> None:
        """Stop watching; to be called before ``fd`` is closed."""
        del self._handlers[fd]
        self._epoll.unregister(fd)

    def _turn(self) -> None:
        self._in_turn = True
        for fd, events in self._epoll.poll(0, _SOCKETS):
            # Another one in this turn may have ended it.
            if (handler := self._handlers.get(fd)) is not None:
                self._guard(handler, events)
        self._in_turn = False
        self._end_turn()

    def _guard(self, call: Callable[..., None], *arguments: int) -> None:
        """Call it; an exception must not cost the others their turn."""
        try:
            call(*arguments)
        except Exception as error:
            self.loop.call_exception_handler(
                {"message": f"a fault in {call!r}", "exception": error}
            )

    def at_end_of_turn(self, callback: Callable[[], None]) -> None:
        """At the end of the set's turn, or else in the loop's next iteration."""
        if not self._in_turn and not self._at_end:
            self.loop.call_soon(self._end_turn)
        self._at_end.append(callback)

    def _end_turn(self) -> None:
        callbacks, self._at_end = self._at_end, []
        for callback in callbacks:
            self._guard(callback)

    def close(self) -> None:
        """Close the set."""
        self.deadlines.close()
        if not self._epoll.closed:
            self.loop.remove_reader(self._epoll.fileno())
            self._epoll.close()

    # -- what can be waited for ------------------------------------------------------------

    def stream(self, sock: socket.socket, owner: SocketOwner) -> StreamSocket:
        """Take over a connected socket."""
        return ReadySocket(self, sock, owner)

    def accept(
        self,
        listener: socket.socket,
        on_client: Callable[[socket.socket], None],
        on_failed: Callable[[OSError], None],
    ) -> Watch:
        """Accept a bounded number a turn."""

        def accept_some(_events: int) -> None:
            for _ in range(_ACCEPTED):
                try:
                    client, _address = listener.accept()
                except (BlockingIOError, InterruptedError):
                    return
                except OSError as error:
                    on_failed(error)
                    return
                on_client(client)
                if listener.fileno() < 0:
                    return

        return _Watched(self, listener.fileno(), IN, accept_some)

    def connect(
        self,
        sock: socket.socket,
        address: tuple[Any, ...],
        on_done: Callable[[OSError | None], None],
    ) -> Watch:
        """On the loopback it completes within the call."""
        code = sock.connect_ex(address)
        if code == errno.EINPROGRESS:
            # To ask a second time costs less than to wait: what is near is connected by now.
            code = sock.connect_ex(address)
        if code not in {errno.EALREADY, errno.EINPROGRESS}:
            on_done(_error(code))
            return NOTHING

        def on_ready(_events: int) -> None:
            watched.close()
            on_done(_error(sock.getsockopt(_SOL_SOCKET, _SO_ERROR)))

        watched = _Watched(self, sock.fileno(), OUT, on_ready)
        return watched

    def receive(
        self,
        sock: socket.socket,
        buffer: memoryview,
        take: TakeDatagram,
        in_a_row: int = DATAGRAMS,
    ) -> Watch:
        """Receive a bounded number a turn."""

        def receive_some(_events: int) -> None:
            for _ in range(in_a_row):
                try:
                    size, source = sock.recvfrom_into(buffer)
                except (BlockingIOError, InterruptedError):
                    return
                except OSError:
                    continue  # of one that was sent before: it is told once
                take(buffer[:size], source)
                if sock.fileno() < 0:
                    return

        return _Watched(self, sock.fileno(), IN, receive_some)


_SOL_SOCKET: Final = 1
_SO_ERROR: Final = 4


def _error(code: int) -> OSError | None:
    return OSError(code, os.strerror(code)) if code and code != errno.EISCONN else None


class _Watched:
    """A descriptor in the set."""

    def __init__(
        self, reactor: Readiness, fd: int, events: int, handler: Callable[[int], None]
    ) -> None:
        self._reactor = reactor
        self._fd = fd
        reactor.watch(fd, events, handler)

    def close(self) -> None:
        """Take it out."""
        if self._fd >= 0:
            self._reactor.forget(self._fd)
            self._fd = -1


class ReadySocket(StreamSocket):
    """A stream socket in the set."""

    def __init__(
        self,
        reactor: Readiness,
        sock: socket.socket,
        owner: SocketOwner,
    ) -> None:
        super().__init__(sock, owner)
        self._reactor = reactor
        self._loop = reactor.loop
        self._fd = sock.fileno()
        self._events = 0
        #: Where the next read goes, and what waits for room to be written.
        self._buffer: memoryview | None = None
        self._rest: memoryview | None = None
        self._gives_unread = False

    def __repr__(self) -> str:
        reads = "reading" if self._buffer is not None else "not reading"
        return f"<ReadySocket fd={self._fd} {reads}, {len(self._rest or b'')} B to write>"

    # -- reading ---------------------------------------------------------------------------

    def read(self, buffer: memoryview) -> None:
        """Wait until the socket is readable."""
        self._buffer = buffer
        if self._unread:
            self._give_unread_soon()
        elif not self._events & IN:
            self._watch(self._events | IN)

    def stop_reading(self) -> None:
        """It stays registered until it is found ready: mostly it is read again before that."""
        self._buffer = None

    def _give_unread_soon(self) -> None:
        if not self._gives_unread:
            self._gives_unread = True
            self._loop.call_soon(self._give_unread)

    def _give_unread(self) -> None:
        self._gives_unread = False
        buffer, unread = self._buffer, self._unread
        if buffer is None or not unread or self._fd < 0:
            return
        size = min(len(buffer), len(unread))
        buffer[:size] = unread[:size]
        self._unread = unread[size:]
        self._buffer = None
        self.owner.on_read(size)

    # -- writing ---------------------------------------------------------------------------

    def write_rest(self, data: bytes | memoryview) -> None:
        """Wait until the socket is writable."""
        assert self._rest is None, "one piece at a time"
        self._rest = memoryview(data)
        self._watch(self._events | OUT)

    def _write_on(self) -> None:
        rest = self._rest
        assert rest is not None
        try:
            size = self.write(rest)
        except OSError as error:
            self._fail(error)
            return
        if size < len(rest):
            self._rest = rest[size:]
            return
        self._rest = None
        self._watch(self._events & ~OUT)
        self.owner.on_written()

    # -- the set ---------------------------------------------------------------------------

    def _on_events(self, events: int) -> None:
        if events & ~OUT:
            self._on_readable()
        if events & ~IN and self._rest is not None and self._fd >= 0:
            self._write_on()

    def _on_readable(self) -> None:
        buffer = self._buffer
        if buffer is None or self._unread:
            self._watch(self._events & ~IN)
            return
        try:
            size = self._sock.recv_into(buffer)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._fail(error)
            return
        self._buffer = None
        if not size:
            self._watch(self._events & ~IN)
        self.owner.on_read(size)

    def _watch(self, events: int) -> None:
        before, self._events = self._events, events
        if events == before:
            return
        if not before:
            self._reactor.watch(self._fd, events, self._on_events)
        elif not events:
            self._reactor.forget(self._fd)
        else:
            self._reactor.change(self._fd, events)

    def _fail(self, error: OSError) -> None:
        self._buffer = self._rest = None
        self._watch(0)
        self.owner.on_failed(error)

    def close(self, *, reset: bool = False, then: Callable[[], None] = lambda: None) -> None:
        """At once."""
        if self._fd < 0:
            return
        self._buffer = self._rest = None
        self._watch(0)
        self._fd = -1
        self._close_socket(reset=reset)
        then()
