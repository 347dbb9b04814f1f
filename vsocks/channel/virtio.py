"""A virtio-serial port in a Linux guest (drivers/char/virtio_console.c).

The port is no tty. While no host is connected a read returns 0 and poll says POLLHUP, again
and again; the driver wakes waiters when the host comes, so an edge-triggered epoll set tells
of every change once, and can itself be watched by the event loop. Closing the port drops
what was unread, so the port is opened anew for each coming of the host.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import select
import sys
from pathlib import Path
from typing import Final

from vsocks.channel.base import Channel, ChannelSource

assert sys.platform != "win32"

_FOLDER: Final = Path("/dev/virtio-ports")
#: A write takes up to 32 KiB a call (virtio_console.c, port_fops_write).
_MAX_WRITE: Final = 32 * 1024


class VirtioSource(ChannelSource):
    """Opens the port of a name (or a /dev path) whenever a host is connected to it."""

    def __init__(self, name: str) -> None:
        self._path = Path(name) if "/" in name else _FOLDER / name

    async def start(self) -> None:
        pass

    async def open(self) -> Channel:
        try:
            fd = os.open(self._path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            if error.errno == errno.EMFILE:
                raise OSError(errno.EBUSY, "another program has the port open") from None
            raise
        channel = VirtioChannel(fd)
        try:
            await channel.host_connected()
        except BaseException:
            await channel.close()
            raise
        return channel

    async def close(self) -> None:
        pass


class VirtioChannel(Channel):
    """An open port, which ends when the host disconnects."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._loop = asyncio.get_running_loop()
        self._edges = select.epoll()
        self._edges.register(fd, select.EPOLLIN | select.EPOLLOUT | select.EPOLLET)
        self._loop.add_reader(self._edges.fileno(), self._on_edge)
        self._waiting: set[asyncio.Future[None]] = set()

    async def host_connected(self) -> None:
        """Wait for a host at the other end."""
        while self._hung_up():
            await self._edge()

    async def read_into(self, buffer: memoryview) -> int:
        while True:
            try:
                return self._read_all(buffer)
            except BlockingIOError:
                await self._edge()

    def _read_all(self, buffer: memoryview) -> int:
        """Read what there is: a read gives one of QEMU's buffers, 4 KiB, however much waits.

        Raises BlockingIOError if there is nothing; 0 means that the host has disconnected.
        """
        size = os.readv(self._fd, [buffer])
        with contextlib.suppress(BlockingIOError):
            while 0 < size < len(buffer) and (more := os.readv(self._fd, [buffer[size:]])):
                size += more
        return size

    def write_now(self, data: memoryview) -> int:
        written = 0
        with contextlib.suppress(BlockingIOError):
            while written < len(data):
                written += os.write(self._fd, data[written : written + _MAX_WRITE])
        return written

    async def write(self, data: memoryview) -> None:
        written = 0
        while (written := written + self.write_now(data[written:])) < len(data):
            if self._hung_up():
                raise ConnectionResetError(errno.ECONNRESET, "the host has disconnected")
            await self._edge()

    async def close(self) -> None:
        if self._fd < 0:
            return
        self._loop.remove_reader(self._edges.fileno())
        self._edges.close()
        fd, self._fd = self._fd, -1
        os.close(fd)
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_exception(ConnectionAbortedError("the channel was closed"))

    def _hung_up(self) -> bool:
        poll = select.poll()
        poll.register(self._fd, select.POLLIN | select.POLLOUT)
        return any(events & select.POLLHUP for _, events in poll.poll(0))

    async def _edge(self) -> None:
        waiter = self._loop.create_future()
        self._waiting.add(waiter)
        try:
            await waiter
        finally:
            self._waiting.discard(waiter)

    def _on_edge(self) -> None:
        self._edges.poll(0)
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_result(None)
