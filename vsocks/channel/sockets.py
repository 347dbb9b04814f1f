"""Channels over stream sockets: unix and TCP, connecting or listening.

The unix kind is what QEMU's ``-chardev socket`` and libvirt offer on the host.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Final

from vsocks.channel.base import Channel, ChannelSource
from vsocks.errors import ChannelError

if TYPE_CHECKING:
    from vsocks.channel.spec import ChannelSpec

#: Windows' Python has none.
_AF_UNIX: Final[int] = getattr(socket, "AF_UNIX", -1)
_CONNECT_TIMEOUT: Final = 10.0
#: With Linux's 208 KiB, writer and reader take turns. The session bounds what waits here.
_SEND_BUFFER: Final = 512 * 1024
#: Peers that came and went while one was served wait here too.
_BACKLOG: Final = 16


class SocketChannel(Channel):
    """A connected stream socket."""

    def __init__(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        if connection.family == _AF_UNIX:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
        else:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = connection
        self._loop = asyncio.get_running_loop()

    async def read_into(self, buffer: memoryview) -> int:
        return await self._loop.sock_recv_into(self._socket, buffer)

    def write_now(self, data: memoryview) -> int:
        try:
            return self._socket.send(data)
        except (BlockingIOError, InterruptedError):
            return 0

    async def write(self, data: memoryview) -> None:
        await self._loop.sock_sendall(self._socket, data)

    async def close(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


def source(spec: ChannelSpec) -> ChannelSource:
    """The source of a unix or TCP channel."""
    if spec.kind.startswith("unix"):
        address: str | tuple[str, int] = spec.place
    else:
        address = (spec.place, spec.port)
    kind = ListenSource if spec.kind.endswith("-listen") else ConnectSource
    return kind(address)


class ConnectSource(ChannelSource):
    """Connects to whoever listens."""

    def __init__(self, address: str | tuple[str, int]) -> None:
        self._address = address

    async def start(self) -> None:
        pass

    async def open(self) -> Channel:
        loop = asyncio.get_running_loop()
        if isinstance(self._address, str):
            connection = socket.socket(_AF_UNIX, socket.SOCK_STREAM)
            targets: list[tuple[socket.socket, object]] = [(connection, self._address)]
        else:
            host, port = self._address
            infos = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            targets = [
                (socket.socket(family, kind), address) for family, kind, _, _, address in infos
            ]
        return SocketChannel(await _first_connected(loop, targets))

    async def close(self) -> None:
        pass


async def _first_connected(
    loop: asyncio.AbstractEventLoop, targets: list[tuple[socket.socket, object]]
) -> socket.socket:
    last_error: OSError = OSError(errno.EADDRNOTAVAIL, "no address to connect to")
    chosen: socket.socket | None = None
    try:
        for candidate, address in targets:
            candidate.setblocking(False)
            try:
                async with asyncio.timeout(_CONNECT_TIMEOUT):
                    await loop.sock_connect(candidate, address)  # type: ignore[arg-type]
            except OSError as error:
                last_error = error
            else:
                chosen = candidate
                return candidate
        raise last_error
    finally:
        for candidate, _ in targets:
            if candidate is not chosen:
                candidate.close()


class ListenSource(ChannelSource):
    """Waits for whoever connects; one at a time, the next one waits in the backlog."""

    def __init__(self, address: str | tuple[str, int]) -> None:
        self._address = address
        self._listener: socket.socket | None = None

    async def start(self) -> None:
        try:
            self._listener = self._listen()
        except OSError as error:
            raise ChannelError(f"can't listen on {self._name}: {error.strerror}") from None
        self._listener.setblocking(False)

    @property
    def _name(self) -> str:
        return (
            self._address if isinstance(self._address, str) else ":".join(map(str, self._address))
        )

    def _listen(self) -> socket.socket:
        if not isinstance(self._address, str):
            return socket.create_server(
                self._address,
                family=socket.AF_INET6 if ":" in self._address[0] else socket.AF_INET,
                backlog=_BACKLOG,
            )
        _remove_stale(self._address)
        listener = socket.socket(_AF_UNIX, socket.SOCK_STREAM)
        try:
            listener.bind(self._address)
            Path(self._address).chmod(0o600)
            listener.listen(_BACKLOG)
        except OSError:
            listener.close()
            raise
        return listener

    async def open(self) -> Channel:
        assert self._listener is not None
        connection, _ = await asyncio.get_running_loop().sock_accept(self._listener)
        return SocketChannel(connection)

    async def close(self) -> None:
        if self._listener is None:
            return
        self._listener.close()
        if isinstance(self._address, str):
            Path(self._address).unlink(missing_ok=True)  # noqa: ASYNC240 - the loop ends


def _remove_stale(path: str) -> None:
    """Remove a socket on which nobody listens any more; one in use stays and fails the bind."""
    if not Path(path).is_socket():
        return
    with socket.socket(_AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        try:
            probe.connect(path)
        except (ConnectionRefusedError, FileNotFoundError):
            Path(path).unlink(missing_ok=True)
        except TimeoutError:
            pass
