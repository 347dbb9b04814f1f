"""Waiting for sockets without a task or a future for each: one small interface over two systems.

On Linux the system says when a socket is ready (readiness.py); on Windows it reads and writes by
itself and says when that is done (completion.py). Who uses a StreamSocket need not know which:
it asks for one read into its buffer, writes what goes at once, hands over the rest, and is told.

Nothing here calls its user back from within a call of the user's own, unless it says so.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Final, Protocol

from vsocks.aio.deadlines import Deadlines
from vsocks.aio.socket_options import reset_on_close

if TYPE_CHECKING:
    from collections.abc import Callable

    #: Takes a datagram, valid during the call only, and its source.
    TakeDatagram = Callable[[memoryview, Any], None]

#: Datagrams that are received in a row.
DATAGRAMS: Final = 32


class SocketOwner(Protocol):
    """Who a socket belongs to, and who hears of it."""

    def on_read(self, size: int) -> None:
        """The read that was asked for has brought ``size`` bytes; 0 is the end, once."""

    def on_written(self) -> None:
        """All of what write_rest() was given has gone."""

    def on_failed(self, error: OSError) -> None:
        """The socket is of no more use: close it. Said once."""


class StreamSocket(ABC):
    """A connected stream socket, which is this object's alone until close().

    Bytes that its owner has read and has no use for go back by push_back(); the next read brings
    them first. So a socket can pass from one owner to the next in the middle of anything.
    """

    def __init__(self, sock: socket.socket, owner: SocketOwner) -> None:
        """``sock`` must not block."""
        self.owner = owner
        self._sock = sock
        self._unread = b""

    # -- reading ---------------------------------------------------------------------------

    @abstractmethod
    def read(self, buffer: memoryview) -> None:
        """Ask for one read: on_read() or on_failed() follows. A second call moves the buffer.

        ``buffer`` belongs to the socket until then, or until close() says that it is through.
        """

    @abstractmethod
    def stop_reading(self) -> None:
        """Forget the read that was asked for, if any; what it would bring comes with the next."""

    def read_more(self, buffer: memoryview) -> int:
        """Read what is there, without waiting, maybe nothing. Raises OSError."""
        with contextlib.suppress(BlockingIOError, InterruptedError):
            return self._sock.recv_into(buffer)
        return 0

    @property
    def has_unread(self) -> bool:
        """Whether something was pushed back and not read again."""
        return bool(self._unread)

    def push_back(self, data: bytes | memoryview) -> None:
        """Have the next read bring ``data`` first."""
        self._unread = bytes(data) + self._unread

    # -- writing ---------------------------------------------------------------------------

    def write(self, data: bytes | memoryview) -> int:
        """Write what goes at once; returns how many bytes that was. Raises OSError."""
        with contextlib.suppress(BlockingIOError, InterruptedError):
            return self._sock.send(data)
        return 0

    @abstractmethod
    def write_rest(self, data: bytes | memoryview) -> None:
        """Write all of ``data``, which must stay as it is until on_written(); one at a time."""

    def end(self) -> None:
        """Send no more: the peer sees the end behind what was written."""
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_WR)

    # -- the end ---------------------------------------------------------------------------

    @abstractmethod
    def close(self, *, reset: bool = False, then: Callable[[], None] = lambda: None) -> None:
        """Close it, with ``reset`` so that the end doesn't look clean; nothing is told any more.

        ``then`` is called, maybe within this call, when the system works in no buffer any more.
        May be called again, which does nothing.
        """

    def _close_socket(self, *, reset: bool) -> None:
        if reset:
            reset_on_close(self._sock)
        self._sock.close()

    # -- what it is connected to -----------------------------------------------------------

    @property
    def family(self) -> int:
        """AF_INET or AF_INET6."""
        return self._sock.family

    @property
    def address(self) -> tuple[Any, ...]:
        """Our end of the connection, as the system gives it. Raises OSError."""
        return self._sock.getsockname()  # type: ignore[no-any-return]

    @property
    def peer(self) -> tuple[Any, ...]:
        """The other end. Raises OSError."""
        return self._sock.getpeername()  # type: ignore[no-any-return]


class Watch(Protocol):
    """Something that is waited for, until close()."""

    def close(self) -> None:
        """Wait no more; nothing is told after it. May be called again."""


class _Nothing:
    """What needs no waiting."""

    def close(self) -> None:
        """There is nothing to close."""


NOTHING: Final = _Nothing()


class Reactor(ABC):
    """What waits, for one event loop."""

    #: For the log.
    name: str

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.deadlines = Deadlines(loop)

    @abstractmethod
    def stream(self, sock: socket.socket, owner: SocketOwner) -> StreamSocket:
        """Take over a connected socket that doesn't block."""

    @abstractmethod
    def accept(
        self,
        listener: socket.socket,
        on_client: Callable[[socket.socket], None],
        on_failed: Callable[[OSError], None],
    ) -> Watch:
        """Give ``on_client`` each connection that comes; set it up, it blocks as yet.

        ``on_failed`` is told when accepting one fails, and the next is waited for.
        """

    @abstractmethod
    def connect(
        self,
        sock: socket.socket,
        address: tuple[Any, ...],
        on_done: Callable[[OSError | None], None],
    ) -> Watch:
        """Connect ``sock``; ``on_done`` is told, maybe within this call, what went wrong if it did.

        ``sock`` stays the caller's.
        """

    @abstractmethod
    def receive(
        self,
        sock: socket.socket,
        buffer: memoryview,
        take: TakeDatagram,
        in_a_row: int = DATAGRAMS,
    ) -> Watch:
        """Give each datagram that comes to ``take``, in ``buffer``.

        Longer ones are cut, or lost on Windows. After ``in_a_row`` of them others have a turn.
        """

    @abstractmethod
    def at_end_of_turn(self, callback: Callable[[], None]) -> None:
        """Call ``callback`` when those that are ready now have had their turn."""

    @abstractmethod
    def close(self) -> None:
        """Give up what the reactor itself holds; its sockets are their owners' to close."""
