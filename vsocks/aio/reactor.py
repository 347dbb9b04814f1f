"""Waiting for sockets without a task or future for each: one interface over two kinds of system.

Linux says when a socket is ready (readiness.py). Windows reads and writes by itself, and says when
it has finished (completion.py). The owner of a StreamSocket need not know which: it asks for one
read into a buffer, writes what the socket takes at once, hands over the rest, and is told.

Nothing here calls its user back from within one of the user's own calls, unless it says so.
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
    """The owner of a socket, which is told what happens to it."""

    def on_read(self, size: int) -> None:
        """The read has brought ``size`` bytes; 0 is the end of the stream, told once."""

    def on_written(self) -> None:
        """All that write_rest() was given has been sent."""

    def on_failed(self, error: OSError) -> None:
        """The socket is unusable: close it. Told once."""


class StreamSocket(ABC):
    """A connected stream socket, which this object owns until close().

    An owner returns bytes that it has read and doesn't need by push_back(); the next read brings
    them first. So a socket can change owners at any point of a conversation.
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
        """Withdraw the read, if one was asked for; its bytes come with the next."""

    def read_more(self, buffer: memoryview) -> int:
        """Read what has arrived, maybe nothing, without waiting. Raises OSError."""
        with contextlib.suppress(BlockingIOError, InterruptedError):
            return self._sock.recv_into(buffer)
        return 0

    @property
    def has_unread(self) -> bool:
        """Whether bytes were pushed back and not read again."""
        return bool(self._unread)

    def push_back(self, data: bytes | memoryview) -> None:
        """Have the next read bring ``data`` first."""
        self._unread = bytes(data) + self._unread

    # -- writing ---------------------------------------------------------------------------

    def write(self, data: bytes | memoryview) -> int:
        """Write what the socket takes now; returns how many bytes. Raises OSError."""
        with contextlib.suppress(BlockingIOError, InterruptedError):
            return self._sock.send(data)
        return 0

    @abstractmethod
    def write_rest(self, data: bytes | memoryview) -> None:
        """Write all of ``data``, which must not change before on_written(); one at a time."""

    def end(self) -> None:
        """Shut down writing: the peer reads the end after what was written."""
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_WR)

    # -- the end ---------------------------------------------------------------------------

    @abstractmethod
    def close(self, *, reset: bool = False, then: Callable[[], None] = lambda: None) -> None:
        """Close it, with ``reset`` by a reset; the owner is told nothing more.

        ``then`` is called, maybe within this call, when the system uses none of the buffers any
        more. Closing again does nothing.
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
    """A wait that goes on until close()."""

    def close(self) -> None:
        """Stop waiting; nothing is told afterwards. May be called again."""


class _Nothing:
    """A wait that is over already."""

    def close(self) -> None:
        """There is nothing to close."""


NOTHING: Final = _Nothing()


class Reactor(ABC):
    """All waiting of one event loop."""

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
        """Give ``on_client`` each accepted connection, which still blocks.

        ``on_failed`` is told when an accept fails; the next is waited for all the same.
        """

    @abstractmethod
    def connect(
        self,
        sock: socket.socket,
        address: tuple[Any, ...],
        on_done: Callable[[OSError | None], None],
    ) -> Watch:
        """Connect ``sock``; ``on_done`` gets the error, or None, maybe within this call.

        ``sock`` remains the caller's.
        """

    @abstractmethod
    def receive(
        self,
        sock: socket.socket,
        buffer: memoryview,
        take: TakeDatagram,
        in_a_row: int = DATAGRAMS,
    ) -> Watch:
        """Receive each datagram into ``buffer``, and give it to ``take``.

        Longer ones are cut, or lost on Windows. After ``in_a_row`` of them, others have a turn.
        """

    @abstractmethod
    def at_end_of_turn(self, callback: Callable[[], None]) -> None:
        """Call ``callback`` when all that is ready now has had its turn."""

    @abstractmethod
    def close(self) -> None:
        """Release what the reactor itself holds; the owners close their sockets."""
