"""A virtio-serial port in a Linux guest (drivers/char/virtio_console.c).

The port is no tty. While no host is connected, a read returns 0 and poll says POLLHUP all the time.
The driver wakes waiters when the host connects. So an edge-triggered epoll set reports each change
once, and the event loop can watch that set. Closing the port drops what was unread; the port is
opened anew each time a host connects.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import select
import sys
from pathlib import Path
from typing import Final

from vsocks.channel.base import Channel, ChannelSource
from vsocks.channel.telling import TellingChannel

assert sys.platform != "win32"

log = logging.getLogger(__name__)

_FOLDER: Final = Path("/dev/virtio-ports")
#: A write takes up to 32 KiB a call (virtio_console.c, port_fops_write).
_MAX_WRITE: Final = 32 * 1024
_DISCONNECTED: Final = "the host has disconnected"
#: Buffers of the queue to the host (hw/char/virtio-serial-bus.c), of which QEMU keeps one each time
#: that its client goes while it is busy with it (discard_throttle_data). When it has all of them
#: the port is dead until the device is reset.
_DESCRIPTORS: Final = 128
#: Seconds between two looks for a host.
_LOOK: Final = 1.0
#: Seconds for which a port just opened may take nothing.
_PATIENCE: Final = 5.0


class VirtioSource(ChannelSource):
    """Opens the named port (or a /dev path) whenever a host is connected to it."""

    def __init__(self, name: str) -> None:
        self._path = Path(name) if "/" in name else _FOLDER / name

    def exists(self) -> bool:
        return self._path.exists()

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


class VirtioChannel(TellingChannel):
    """An open port, which ends when the host disconnects."""

    def __init__(self, fd: int) -> None:
        super().__init__()
        self._fd = fd
        self._edges = select.epoll()
        self._edges.register(fd, select.EPOLLIN | select.EPOLLOUT | select.EPOLLET)
        self._loop.add_reader(self._edges.fileno(), self._on_edge)
        self._edge = asyncio.Event()
        #: Whether the last read left nothing: edges come once.
        self._is_drained = False
        #: Whether the driver has taken anything since the port was opened.
        self._has_written = False
        self._giving_up: asyncio.TimerHandle | None = None

    async def host_connected(self) -> None:
        """Wait until a host is connected; called before start(). OSError if the port has gone.

        A host that comes to a port that takes nothing makes no edge: poll then says nothing at all.
        """
        while self._hung_up():
            # A port that was unplugged says the same as one without a host, and for ever, but not
            # to a reader: that is told ENODEV. Nothing is read.
            with contextlib.suppress(BlockingIOError):  # the host has just come
                os.read(self._fd, 0)
            self._edge.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LOOK):
                    await self._edge.wait()

    def read_now(self, buffer: memoryview) -> int | None:
        """Read what has arrived: one read gives one buffer of QEMU's, 4 KiB, however much waits."""
        size = 0
        try:
            while size < len(buffer):
                more = os.readv(self._fd, [buffer[size:]])
                if not more:
                    if size:
                        break  # it is met again by the next read
                    raise ConnectionResetError(errno.ECONNRESET, _DISCONNECTED)
                size += more
        except BlockingIOError:
            self._is_drained = True
            return size or None
        self._is_drained = False
        self._tell_soon()
        return size

    def write_now(self, data: memoryview) -> int:
        written = 0
        with contextlib.suppress(BlockingIOError):
            while written < len(data):
                written += os.write(self._fd, data[written : written + _MAX_WRITE])
        self._has_written = self._has_written or written > 0
        self._is_blocked = written < len(data)
        if self._is_blocked:
            # The host may have gone before, and with it the last edge.
            self._loop.call_soon(self._look_for_host)
            if not self._has_written and self._giving_up is None:
                self._giving_up = self._loop.call_later(_PATIENCE, self._tell_dead)
        return written

    async def close(self) -> None:
        self._user = None
        if self._giving_up is not None:
            self._giving_up.cancel()
        if self._fd < 0:
            return
        self._loop.remove_reader(self._edges.fileno())
        self._edges.close()
        fd, self._fd = self._fd, -1
        os.close(fd)

    def _tell_dead(self) -> None:
        """Say it if nothing at all could be written although a host is connected.

        A host that has just come reads, or its socket at least takes what the driver's queue holds.
        """
        if self._has_written or self._user is None or self._hung_up():
            return
        log.error(
            "the port takes nothing though a host is connected; if that one reads, it is dead: %d "
            "times a host went in the middle of a transfer, and QEMU never returns what it was "
            "busy with. Restart this machine, or as root the port's driver:%s",
            _DESCRIPTORS,
            _how_to_restart(self._fd),
        )

    def _look_for_host(self) -> None:
        """Notice that the host has gone: a pending write would wait forever."""
        if self._is_blocked and self._user is not None and self._hung_up():
            self._user.on_failed(ConnectionResetError(errno.ECONNRESET, _DISCONNECTED))

    def _hung_up(self) -> bool:
        poll = select.poll()
        poll.register(self._fd, select.POLLIN | select.POLLOUT)
        return any(events & select.POLLHUP for _, events in poll.poll(0))

    def _on_edge(self) -> None:
        self._edges.poll(0)
        self._edge.set()
        self._is_drained = False
        self._tell()
        self._tell_writable()

    def _has_news(self) -> bool:
        return not self._is_drained


def _how_to_restart(fd: int) -> str:
    """The commands that reset the port's device. They end the other ports of the device, too."""
    try:
        number = os.fstat(fd).st_rdev
        port = Path(f"/sys/dev/char/{os.major(number)}:{os.minor(number)}").resolve()
        device = port.parents[1]
        driver = (device / "driver").resolve(strict=True)
    except (OSError, IndexError):
        return " unbind and bind the device of virtio_console in /sys/bus/virtio/drivers"
    return "".join(f" echo {device.name} >{driver}/{verb};" for verb in ("unbind", "bind"))
