"""Channels over stream sockets: unix and TCP, connecting or listening.

The unix kind is what QEMU's ``-chardev socket`` and libvirt offer on the host.
"""

from __future__ import annotations

import abc
import asyncio
import contextlib
import errno
import select
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from vsocks.address import format_host_port
from vsocks.aio.cannot_listen import cannot_listen
from vsocks.aio.current import reactor
from vsocks.aio.socket_options import AF_UNIX, new_listener, new_stream, set_up_stream
from vsocks.aio.socket_path import listen_at
from vsocks.channel.base import Channel, ChannelSource
from vsocks.channel.telling import BufferedChannel
from vsocks.errors import ChannelError, ForbiddenError, UsageError, VsocksError, describe

if TYPE_CHECKING:
    from collections.abc import Callable

    from vsocks.channel.base import ChannelUser
    from vsocks.channel.spec import ChannelSpec

_CONNECT_TIMEOUT: Final = 10.0
#: Peers that came and went while one was served wait here too.
_BACKLOG: Final = 16
#: Bytes read and written at once where the system does it by itself.
_BOX_SIZE: Final = 256 * 1024
_GONE: Final = "the other end of the channel has gone"


def _never() -> bool:
    return False


def socket_channel(connection: socket.socket, *, stays: Callable[[], bool] = _never) -> Channel:
    """A channel over a connected stream socket; the channel owns it from now on.

    ``stays``: whether leave() leaves it to somebody else who keeps it, too.
    """
    set_up_stream(connection)
    if sys.platform != "win32":
        waits = reactor()
        if isinstance(waits, Readiness):
            return ReadyChannel(connection, waits, stays=stays)
    return OverlappedSocketChannel(connection)


if sys.platform != "win32":
    from vsocks.aio.readiness import Readiness

    class ReadyChannel(Channel):
        """A socket that is read straight into the user's buffer."""

        def __init__(
            self, connection: socket.socket, waits: Readiness, *, stays: Callable[[], bool]
        ) -> None:
            self._socket = connection
            self._fd = connection.fileno()
            self._waits = waits
            self._user: ChannelUser | None = None
            self._events = 0
            self._is_blocked = False
            self._stays = stays

        def start(self, user: ChannelUser) -> None:
            self._user = user
            self._watch(select.EPOLLIN)

        def read_now(self, buffer: memoryview) -> int | None:
            try:
                size = self._socket.recv_into(buffer)
            except (BlockingIOError, InterruptedError):
                return None
            if not size and len(buffer):
                raise ConnectionResetError(errno.ECONNRESET, _GONE)
            return size

        def pause_reading(self) -> None:
            self._watch(self._events & ~select.EPOLLIN)

        def resume_reading(self) -> None:
            self._watch(self._events | select.EPOLLIN)

        def write_now(self, data: memoryview) -> int:
            try:
                size = self._socket.send(data)
            except (BlockingIOError, InterruptedError):
                size = 0
            if size < len(data):
                self._watch(self._events | select.EPOLLOUT)
            return size

        async def close(self) -> None:
            self._close(shuts_down=True)

        async def leave(self) -> None:
            self._close(shuts_down=not self._stays())

        def _close(self, *, shuts_down: bool) -> None:
            if self._fd < 0:
                return
            self._watch(0)
            self._fd, self._user = -1, None
            if shuts_down:
                with contextlib.suppress(OSError):
                    self._socket.shutdown(socket.SHUT_RDWR)
            self._socket.close()

        def _on_events(self, events: int) -> None:
            user = self._user
            if user is not None and events & ~select.EPOLLOUT and self._events & select.EPOLLIN:
                user.on_readable()
            if events & ~select.EPOLLIN and self._events & select.EPOLLOUT:
                self._watch(self._events & ~select.EPOLLOUT)
                if user is not None:
                    user.on_writable()

        def _watch(self, events: int) -> None:
            before, self._events = self._events, events
            if events == before or self._fd < 0:
                return
            if not before:
                self._waits.watch(self._fd, events, self._on_events)
            elif not events:
                self._waits.forget(self._fd)
            else:
                self._waits.change(self._fd, events)


class OverlappedSocketChannel(BufferedChannel):
    """A socket with a read and a write under way in buffers of its own; a SocketOwner."""

    def __init__(self, connection: socket.socket) -> None:
        super().__init__()
        self._socket = reactor().stream(connection, self)
        self._inbox = memoryview(bytearray(_BOX_SIZE))
        self._outbox = memoryview(bytearray(_BOX_SIZE))
        self._is_writing = False

    def start(self, user: ChannelUser) -> None:
        super().start(user)
        self._socket.read(self._inbox)

    def _read_on(self) -> None:
        self._socket.read(self._inbox)

    def write_now(self, data: memoryview) -> int:
        if self._failure is not None:
            raise self._failure
        if self._is_writing:
            self._is_blocked = True
            return 0
        written = self._socket.write(data)
        rest = data[written:][: len(self._outbox)]
        if rest:
            self._outbox[: len(rest)] = rest
            self._is_writing = True
            self._socket.write_rest(self._outbox[: len(rest)])
        self._is_blocked = written + len(rest) < len(data)
        return written + len(rest)

    async def close(self) -> None:
        self._user = None
        self._socket.close()

    def on_read(self, size: int) -> None:
        """Bytes have come."""
        self._unread = self._inbox[:size]
        if not size:
            self._failure = ConnectionResetError(errno.ECONNRESET, _GONE)
        self._tell()

    def on_written(self) -> None:
        """The outbox is free."""
        self._is_writing = False
        self._tell_writable()

    def on_failed(self, error: OSError) -> None:
        """It is unusable."""
        self._failure = error
        if self._user is not None:
            self._user.on_failed(error)


def source(spec: ChannelSpec) -> SocketSource:
    """The source of a unix or TCP channel."""
    if spec.kind.startswith("unix"):
        address: str | tuple[str, int] = spec.place
    else:
        address = (spec.place, spec.port)
    kind = ListenSource if spec.kind.endswith("-listen") else ConnectSource
    return kind(address)


class SocketSource(ChannelSource):
    """A source of channels over sockets."""

    @abc.abstractmethod
    async def connect(self) -> socket.socket:
        """A connection, as open() has one."""

    async def open(self) -> Channel:
        return socket_channel(await self.connect())


class ConnectSource(SocketSource):
    """Connects to whoever listens."""

    def __init__(self, address: str | tuple[str, int]) -> None:
        self._address = address

    async def start(self) -> None:
        if isinstance(self._address, str) and _is_folder(self._address):
            raise UsageError(f"can't use {self._address}: it is a folder; name the socket in it")

    async def connect(self) -> socket.socket:
        loop = asyncio.get_running_loop()
        if isinstance(self._address, str):
            return await self._connect_path(loop, self._address)
        host, port = self._address
        infos = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        targets: list[tuple[int, object]] = [(each[0], each[4]) for each in infos]
        return await _first_connected(loop, targets)

    @staticmethod
    async def _connect_path(loop: asyncio.AbstractEventLoop, path: str) -> socket.socket:
        try:
            return await _connected(loop, AF_UNIX, path)
        except OSError as error:
            raise _in_words(path, error) from None

    async def close(self) -> None:
        pass


async def _first_connected(
    loop: asyncio.AbstractEventLoop, targets: list[tuple[int, object]]
) -> socket.socket:
    last_error: OSError = OSError(errno.EADDRNOTAVAIL, "no address to connect to")
    for family, address in targets:
        try:
            return await _connected(loop, family, address)
        except OSError as error:
            last_error = error
    raise last_error


async def _connected(
    loop: asyncio.AbstractEventLoop, family: int, address: object
) -> socket.socket:
    connection = new_stream(family)
    try:
        async with asyncio.timeout(_CONNECT_TIMEOUT):
            await loop.sock_connect(connection, address)  # type: ignore[arg-type]
    except BaseException:
        connection.close()
        raise
    return connection


class ListenSource(SocketSource):
    """Waits for whoever connects: one at a time, the next waits in the backlog."""

    def __init__(self, address: str | tuple[str, int]) -> None:
        self._address = address
        self._listener: socket.socket | None = None

    async def start(self) -> None:
        try:
            self._listener = self._listen()
        except OSError as error:
            raise self._refusal(error) from None

    def _refusal(self, error: OSError) -> VsocksError:
        """What to raise when the address can't be had."""
        if not isinstance(self._address, str):
            return cannot_listen(format_host_port(*self._address), error)
        reason = describe(_in_words(self._address, error))
        kind = ForbiddenError if error.errno in {errno.EACCES, errno.EPERM} else ChannelError
        return kind(f"can't listen on {self._address}: {reason}")

    def _listen(self) -> socket.socket:
        if not isinstance(self._address, str):
            return new_listener(*self._address, _BACKLOG)
        return listen_at(self._address, 0o600, _BACKLOG)

    async def connect(self) -> socket.socket:
        assert self._listener is not None
        connection, _ = await asyncio.get_running_loop().sock_accept(self._listener)
        return connection

    async def close(self) -> None:
        if self._listener is None:
            return
        self._listener.close()
        if isinstance(self._address, str):
            Path(self._address).unlink(missing_ok=True)  # noqa: ASYNC240 - the loop ends


if sys.platform == "win32":

    def _in_words(_path: str, error: OSError) -> OSError:
        return error

else:
    from vsocks.channel.path_errors import explained as _in_words


def _is_folder(path: str) -> bool:
    try:
        return Path(path).is_dir()
    except OSError:
        return False
