"""A device of Windows that is read and written by overlapped operations.

The operations outlive the channel. A read that is pending when the host disconnects is completed by
the bytes of the next host, and a write can't be cancelled (vioserial/sys/Port.c). So the device
stays open, with its read and its writes under way in buffers of their own, and a channel is a view
of it that ends when the host is found to have gone. The device is reopened only after a failure.

Whether a host is there is asked of the driver: an operation that it refuses fails later, by its
completion, and one that pends says nothing of a host that has gone and come back.

Nothing here calls Windows: a Device performs the operations (windows.py has the real one).
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
from typing import TYPE_CHECKING, Final

from vsocks.channel.base import Channel, ChannelSource
from vsocks.channel.device import (
    ERROR_HANDLE_EOF,
    ERROR_TIMEOUT,
    was_refused,
    windows_error,
    winerror,
)
from vsocks.channel.device_writes import DeviceWrites
from vsocks.channel.off_loop import off_loop

if TYPE_CHECKING:
    from collections.abc import Callable

    from vsocks.channel.base import ChannelUser
    from vsocks.channel.device import Device

log = logging.getLogger(__name__)

_READ_SIZE: Final = 64 * 1024
#: Seconds between attempts while no host is there.
_FIRST_RETRY: Final = 0.01
_LAST_RETRY: Final = 0.25
#: Seconds between two looks whether the host is still there.
_LOOK: Final = 0.5
#: Seconds that the last write gets when a channel is closed.
_LAST_WRITE: Final = 0.5
#: Seconds for opening or closing a device; the driver waits for the host in steps of a second.
_CLOSE_TIMEOUT: Final = 1.5
#: Seconds in which a driver that wants to go is not opened anew.
_REMOVAL: Final = 5.0


class Port:
    """A device, what is under way on it, and the channel that views it."""

    def __init__(self, device: Device) -> None:
        self.device = device
        #: Set once the device is of no more use.
        self.failure: OSError | None = None
        #: Whether it was closed for a driver that wants to go.
        self.makes_way = False
        self._loop = asyncio.get_running_loop()
        self._inbox = memoryview(bytearray(min(_READ_SIZE, device.read_size)))
        self._reading: asyncio.Future[int] | None = None
        self._unread = self._inbox[:0]
        self._writes = DeviceWrites(device, self)
        #: Who uses the channel that views it.
        self.user: ChannelUser | None = None
        self.is_paused = False
        self._is_blocked = False
        self._tells = False
        #: Set when the host is seen to have gone, until it is there again.
        self._host_left = False
        #: A virtio-serial port; other devices know of no host, and their writes end by themselves.
        self._knows_host = device.host_connected() is not None
        self._look: asyncio.TimerHandle | None = None
        #: The notice that the host of this view has come may still be on its way.
        self._expects_notice = True
        self._news = asyncio.Event()
        device.watch(self._on_notice, self._make_way)

    # -- the host --------------------------------------------------------------------------

    async def host_there(self) -> None:
        """Wait until a host is connected, as far as the device can tell: then a read pends.

        Raises OSError if the device fails.
        """
        delay, is_told = _FIRST_RETRY, False
        while not await self._has_host():
            if not is_told:
                log.info("no host is connected to the port yet")
                is_told = True
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(delay):
                    await self._news.wait()
            self._news.clear()
            delay = min(_LAST_RETRY, delay * 2)
        self._host_left, self._expects_notice = False, True
        self._look_later()

    async def _has_host(self) -> bool:
        if self.failure is not None:
            raise self.failure
        if self.device.host_connected() is False:
            return False
        for _ in range(2):  # what the first one meets may be the refusal of an earlier read
            try:
                self._start_reading()
                await asyncio.sleep(0)
                if self._reading is not None and self._reading.done():
                    self._collect()
            except OSError as error:
                if not self._means_no_host(error):
                    raise self._failed(error) from None
            else:
                return True
        return False

    def _look_later(self) -> None:
        if self._knows_host and self._look is None:
            self._look = self._loop.call_later(_LOOK, self._look_for_host)

    def _look_for_host(self) -> None:
        self._look = None
        if self.failure is None and not self._host_left:
            self.on_refused()
            self._look_later()

    def on_refused(self) -> None:
        """If the host has gone, the reader, whose read pends, must hear."""
        if self.device.host_connected() is False:
            self._host_changed()

    def _on_notice(self, connected: bool) -> None:
        """A host has come or gone; of a quick change the driver says what is so now, twice."""
        self._news.set()
        if connected and self._expects_notice:
            self._expects_notice = False
        else:
            self._host_changed()

    def _host_changed(self) -> None:
        """The host has gone, and maybe another has come: the view of it ends."""
        if not self._host_left:
            self._host_left = True
            self.session_lost()
            self.tell_soon()

    def session_lost(self) -> None:
        """What is still being written is for nobody, and may never end."""
        if self._knows_host:
            self._writes.give_up_soon()

    def _make_way(self) -> None:
        """The driver is to go, for an update say: an open handle would keep it until a reboot."""
        self.makes_way = True
        self._failed(OSError(errno.ENODEV, "the driver of the port is being stopped or updated"))
        self._news.set()

    # -- reading ---------------------------------------------------------------------------

    def read_now(self, buffer: memoryview) -> int | None:
        """Read some bytes; None if there are none now.

        Raises ConnectionResetError when the host has gone, OSError on failure.
        """
        try:
            size = self._take(buffer)
            if size:
                size = self._take_more(buffer, size)
        except OSError as error:
            if not self._means_no_host(error):
                raise self._failed(error) from None
            self._host_changed()
            size = 0
        if self._host_left and not size:
            raise ConnectionResetError(errno.ECONNRESET, "the host has disconnected")
        self._read_on()
        return size or None

    def _read_on(self) -> None:
        """Make sure that the user is told of what comes next."""
        if self._unread:
            self.tell_soon()
        elif self._reading is None:  # it has timed out, or its bytes were taken
            self._loop.call_later(_FIRST_RETRY if self.device.times_out else 0, self._start_again)

    def _start_again(self) -> None:
        if self.failure is None and not self._host_left:
            try:
                self._start_reading()
            except OSError:
                self._tell()  # who reads meets it

    def _take(self, buffer: memoryview) -> int:
        """Take what has been read, as far as it fits.

        Raises what a read failed with. After that, or a time-out, no read is under way.
        """
        if not self._unread:
            self._collect()
        size = min(len(buffer), len(self._unread))
        buffer[:size] = self._unread[:size]
        self._unread = self._unread[size:]
        return size

    def _take_more(self, buffer: memoryview, size: int) -> int:
        """Add what needs no waiting: the driver gives 4 KiB at a time, however much it has."""
        with contextlib.suppress(OSError):  # it is met again by the next read
            while size < len(buffer) and (more := self._take(buffer[size:])):
                size += more
        return size

    def _collect(self) -> None:
        """Finish the read if it is done, or start one."""
        self._start_reading()
        if self._reading is None or not self._reading.done():
            return
        reading, self._reading = self._reading, None
        try:
            size = reading.result()
        except OSError as error:
            if not self.device.times_out or winerror(error) != ERROR_TIMEOUT:
                raise
            size = 0
        if size == 0 and not self.device.times_out:
            raise windows_error(ERROR_HANDLE_EOF, "the other end has hung up")
        self._unread = self._inbox[:size]

    def _start_reading(self) -> None:
        """Have a read under way; raises OSError if none can be started."""
        if self.failure is not None:
            raise self.failure
        if self._reading is None and not self._unread:
            self._reading = self.device.read(self._inbox)
            self._reading.add_done_callback(self._on_read)

    def _means_no_host(self, error: OSError) -> bool:
        return self.device.outlives_host and was_refused(self.device, error)

    def tell_soon(self) -> None:
        """Tell the user to read on, in a later turn."""
        if not self._tells:
            self._tells = True
            self._loop.call_soon(self._tell)

    def _on_read(self, reading: asyncio.Future[int]) -> None:
        if not reading.cancelled():
            reading.exception()  # it is met by who reads, if there is anybody
        self._tell()

    def _tell(self) -> None:
        self._tells = False
        if self.user is not None and not self.is_paused:
            self.user.on_readable()

    # -- writing ---------------------------------------------------------------------------

    def write_now(self, data: memoryview) -> int:
        """Start writing as much as the buffer holds, unless a write is under way."""
        if self.failure is not None:
            raise self.failure
        size = self._writes.write_now(data)
        self._is_blocked = size < len(data)
        return size

    def on_writable(self) -> None:
        if self._is_blocked and self.user is not None and self.failure is None:
            self._is_blocked = False
            self.user.on_writable()

    def on_write_failed(self, error: OSError) -> None:
        self._failed(error)

    async def written(self) -> None:
        """Wait until no write is under way; cancelling the wait doesn't cancel the write."""
        await self._writes.written()

    # -- the end ---------------------------------------------------------------------------

    def _failed(self, error: OSError) -> OSError:
        """Remember the error: the device is unusable."""
        self.failure = self.failure or error
        self.tell_soon()
        return self.failure

    async def close(self) -> None:
        """Cancel what is under way and close the device; takes seconds at most."""
        self.failure = self.failure or OSError(errno.EBADF, "the channel was closed")
        if self._look is not None:
            self._look.cancel()
        if self._reading is not None:
            self._reading.cancel()
        self._writes.close()
        with contextlib.suppress(TimeoutError, OSError):
            async with asyncio.timeout(_CLOSE_TIMEOUT):
                await off_loop(self.device.close)
                return
        log.warning("the device does not close; the system is left to end it")


class OverlappedChannel(Channel):
    """A view of the port, from one connect of the host to its disconnect."""

    def __init__(self, port: Port) -> None:
        self._port = port
        self._user: ChannelUser | None = None

    def start(self, user: ChannelUser) -> None:
        self._user = self._port.user = user
        self._port.tell_soon()

    def read_now(self, buffer: memoryview) -> int | None:
        return self._port.read_now(buffer)

    def pause_reading(self) -> None:
        self._port.is_paused = True

    def resume_reading(self) -> None:
        self._port.is_paused = False
        self._port.tell_soon()

    def write_now(self, data: memoryview) -> int:
        return self._port.write_now(data)

    def session_lost(self) -> None:
        self._port.session_lost()

    async def close(self) -> None:
        if self._port.user is self._user:
            self._port.user = None
        self._port.is_paused = False
        if self._port.failure is None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LAST_WRITE):
                    await self._port.written()


class OverlappedSource(ChannelSource):
    """Opens the device, and keeps it open for as long as it works."""

    def __init__(
        self, open_device: Callable[[], Device], exists: Callable[[], bool] = lambda: False
    ) -> None:
        """``open_device`` may block; raises OSError. ``exists`` looks without opening."""
        self._open_device = open_device
        self._exists = exists
        self._port: Port | None = None

    def exists(self) -> bool:
        return self._exists()

    async def start(self) -> None:
        pass

    async def open(self) -> Channel:
        if self._port is not None and self._port.failure is not None:
            makes_way = self._port.makes_way
            await self.close()
            if makes_way:
                log.info("the driver of the port wants to go; it is opened anew in a while")
                await asyncio.sleep(_REMOVAL)
        if self._port is None:
            device = await off_loop(self._open_device, discard=lambda device: device.close())
            self._port = Port(device)
        await self._port.host_there()
        return OverlappedChannel(self._port)

    async def close(self) -> None:
        port, self._port = self._port, None
        if port is not None:
            await port.close()
