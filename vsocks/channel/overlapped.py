"""A device of Windows that is read and written by overlapped operations.

The operations outlive the channel. A read that is pending when the host disconnects is completed by
the bytes of the next host, and a write can't be cancelled (vioserial/sys/Port.c). So the device
stays open, with its read and its write under way in buffers of their own, and a channel is a view
of it that ends when the host is found to have gone. The device is reopened only after a failure.

Nothing here calls Windows: a Device performs the operations (windows.py has the real one).
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import threading
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

from vsocks.channel.base import Channel, ChannelSource

if TYPE_CHECKING:
    from collections.abc import Callable

    from vsocks.channel.base import ChannelUser

log = logging.getLogger(__name__)

T = TypeVar("T")

# Errors that mean: no host is connected, or the queue to it is full; nothing was sent, try again.
# Port.c, VIOSerialPortRead and VIOSerialPortWrite: STATUS_INSUFFICIENT_RESOURCES is 1450,
# STATUS_CANT_WAIT 552. Wine says ERROR_HANDLE_EOF where Linux' read returns 0.
ERROR_NO_SYSTEM_RESOURCES: Final = 1450
ERROR_CANT_WAIT: Final = 552
ERROR_HANDLE_EOF: Final = 38
ERROR_TIMEOUT: Final = 1460
_TRY_AGAIN: Final = frozenset({ERROR_NO_SYSTEM_RESOURCES, ERROR_CANT_WAIT, ERROR_HANDLE_EOF})

#: The driver sends a write as at most 128 pieces of a page: 512 KiB.
MAX_WRITE: Final = 256 * 1024
_READ_SIZE: Final = 64 * 1024
#: Seconds between attempts while no host is there or the queue is full.
_FIRST_RETRY: Final = 0.01
_LAST_RETRY: Final = 0.25
#: Seconds that the last write gets when a channel is closed.
_LAST_WRITE: Final = 0.5
#: Seconds for opening or closing a device; the driver waits for the host in steps of a second.
_CLOSE_TIMEOUT: Final = 1.5


class Device(Protocol):
    """An open handle. Operations end in any order; errors carry ``winerror``."""

    #: Whether the handle is still good after the host has gone.
    outlives_host: bool
    #: Whether a read may end with nothing, which says nothing of the other end: a serial line's.
    times_out: bool
    #: Bytes that one read asks for at most.
    read_size: int

    def read(self, buffer: memoryview) -> asyncio.Future[int]:
        """Start a read; raises OSError at once or through the future."""

    def write(self, data: memoryview) -> asyncio.Future[int]:
        """Start a write of ``data``, which must not change; raises OSError likewise."""

    def host_connected(self) -> bool | None:
        """Whether the host is connected; None if the device can't tell."""

    def close(self) -> None:
        """Close the handle; may block."""


class Port:
    """A device, the read and the write that are under way, and their buffers."""

    def __init__(self, device: Device) -> None:
        self.device = device
        #: Set once the device is of no more use.
        self.failure: OSError | None = None
        self._loop = asyncio.get_running_loop()
        self._inbox = memoryview(bytearray(min(_READ_SIZE, device.read_size)))
        self._outbox = memoryview(bytearray(MAX_WRITE))
        self._reading: asyncio.Future[int] | None = None
        self._unread = self._inbox[:0]
        self._writing: asyncio.Task[None] | None = None
        #: Who uses the channel that views it.
        self.user: ChannelUser | None = None
        self.is_paused = False
        self._is_blocked = False
        self._tells = False
        #: Set when the host is seen to have gone, until it is there again.
        self._host_left = False

    # -- reading ---------------------------------------------------------------------------

    async def host_there(self) -> None:
        """Wait until a host is connected, as far as the device can tell: then a read pends.

        Raises OSError if the device fails.
        """
        delay, is_told = _FIRST_RETRY, False
        while True:
            try:
                self._start_reading()
            except OSError as error:
                if not self._means_no_host(error):
                    raise self._failed(error) from None
            else:
                self._host_left = False
                return
            if not is_told:
                log.info("no host is connected to the port yet")
                is_told = True
            await asyncio.sleep(delay)
            delay = min(_LAST_RETRY, delay * 2)

    def read_now(self, buffer: memoryview) -> int | None:
        """Read some bytes; None if there are none now.

        Raises ConnectionResetError when the host has gone, OSError on failure.
        """
        if not self._host_left:
            try:
                size = self._take(buffer)
                if size:
                    size = self._take_more(buffer, size)
            except OSError as error:
                if not self._means_no_host(error):
                    raise self._failed(error) from None
                self._host_left = True
            else:
                self._read_on()
                return size or None
        raise ConnectionResetError(errno.ECONNRESET, "the host has disconnected")

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
            if not self.device.times_out or getattr(error, "winerror", None) != ERROR_TIMEOUT:
                raise
            size = 0
        if size == 0 and not self.device.times_out:
            raise _error(ERROR_HANDLE_EOF, "the other end has hung up")
        self._unread = self._inbox[:size]

    def _start_reading(self) -> None:
        """Have a read under way; raises OSError if none can be started."""
        if self.failure is not None:
            raise self.failure
        if self._reading is None and not self._unread:
            self._reading = self.device.read(self._inbox)
            self._reading.add_done_callback(self._tell)

    def _means_no_host(self, error: OSError) -> bool:
        return self.device.outlives_host and getattr(error, "winerror", None) in _TRY_AGAIN

    def tell_soon(self) -> None:
        """Tell the user to read on, in a later turn."""
        if not self._tells:
            self._tells = True
            self._loop.call_soon(self._tell)

    def _tell(self, _reading: asyncio.Future[int] | None = None) -> None:
        self._tells = False
        if self.user is not None and not self.is_paused:
            self.user.on_readable()

    # -- writing ---------------------------------------------------------------------------

    def write_now(self, data: memoryview) -> int:
        """Start writing as much as the buffer holds, unless a write is under way."""
        if self.failure is not None:
            raise self.failure
        if self._writing is not None:
            self._is_blocked = True
            return 0
        size = min(len(data), MAX_WRITE)
        self._is_blocked = size < len(data)
        self._outbox[:size] = data[:size]
        self._writing = self._loop.create_task(self._write(self._outbox[:size]))
        return size

    async def _write(self, rest: memoryview) -> None:
        """Write all of it, one write at a time; bytes that were refused are written again."""
        delay = _FIRST_RETRY
        try:
            while rest:
                try:
                    written = await self.device.write(rest)
                except OSError as error:
                    if getattr(error, "winerror", None) not in _TRY_AGAIN:
                        self._failed(error)
                        return
                    self._look_for_host()
                    await asyncio.sleep(delay)
                    delay = min(_LAST_RETRY, delay * 2)
                else:
                    rest = rest[written:]
        finally:
            self._writing = None
            if self._is_blocked and self.user is not None and self.failure is None:
                self._is_blocked = False
                self.user.on_writable()

    def _look_for_host(self) -> None:
        """After a refused write: if the host has gone, the reader, whose read pends, must hear."""
        if self.device.host_connected() is False:
            self._host_left = True
            self.tell_soon()

    async def written(self) -> None:
        """Wait until no write is under way; cancelling the wait doesn't cancel the write."""
        if self._writing is not None:
            await asyncio.wait({self._writing})

    # -- the end ---------------------------------------------------------------------------

    def _failed(self, error: OSError) -> OSError:
        """Remember the error: the device is unusable."""
        self.failure = self.failure or error
        self.tell_soon()
        return self.failure

    async def close(self) -> None:
        """Cancel what is under way and close the device; takes seconds at most."""
        self.failure = self.failure or OSError(errno.EBADF, "the channel was closed")
        for operation in (self._reading, self._writing):
            if operation is not None:
                operation.cancel()
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

    def __init__(self, open_device: Callable[[], Device]) -> None:
        """``open_device`` may block; raises OSError."""
        self._open_device = open_device
        self._port: Port | None = None

    async def start(self) -> None:
        pass

    async def open(self) -> Channel:
        if self._port is not None and self._port.failure is not None:
            await self.close()
        if self._port is None:
            device = await off_loop(self._open_device, discard=lambda device: device.close())
            self._port = Port(device)
        await self._port.host_there()
        return OverlappedChannel(self._port)

    async def close(self) -> None:
        port, self._port = self._port, None
        if port is not None:
            await port.close()


async def off_loop(
    function: Callable[[], T], discard: Callable[[T], None] = lambda _result: None
) -> T:
    """Call what may block, in a thread of its own that doesn't delay the end of the process.

    If this is cancelled, the call goes on and its result goes to ``discard``.
    """
    loop = asyncio.get_running_loop()
    outcome: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: Exception | None) -> None:
        if outcome.cancelled():
            if error is None:
                threading.Thread(target=discard, args=(result,), daemon=True).start()
        elif error is not None:
            outcome.set_exception(error)
        else:
            outcome.set_result(result)  # type: ignore[arg-type]

    def call() -> None:
        result: T | None = None
        error: Exception | None = None
        try:
            result = function()
        except Exception as raised:
            error = raised
        with contextlib.suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(settle, result, error)

    threading.Thread(target=call, name="device", daemon=True).start()
    return await outcome


def _error(winerror: int, text: str) -> OSError:
    """An error as Windows would raise it, on any system."""
    error = OSError(errno.EIO, text)
    error.winerror = winerror  # type: ignore[attr-defined, unused-ignore]
    return error
