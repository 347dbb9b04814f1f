"""A serial line: a real tty, a pseudo-terminal, a COM port of the VM.

pyserial-asyncio opens it and sets it to pass bytes as they are.
"""

from __future__ import annotations

import sys

assert sys.platform != "win32"

import asyncio
import contextlib
import errno
import os
import termios
from typing import Final, cast

import serial
import serial_asyncio

from vsocks.channel.base import Channel, ChannelSource
from vsocks.channel.off_loop import off_loop
from vsocks.channel.path_errors import explained
from vsocks.channel.telling import BufferedChannel
from vsocks.errors import UsageError

#: A serial line may be slow: a long frame would keep everything else waiting.
_MAX_FRAME: Final = 4096
#: Seconds that the last bytes get when the channel is closed.
_LAST_WRITE: Final = 0.5
#: What the system says of a device that isn't there any more.
_GONE: Final = (serial.SerialException, termios.error)


class SerialSource(ChannelSource):
    """Opens the device, exclusively."""

    max_frame = _MAX_FRAME

    def __init__(self, device: str, baudrate: int) -> None:
        self._device = device
        self._baudrate = baudrate

    async def start(self) -> None:
        if not _may_be_line(self._device):
            raise UsageError(f"can't use {self._device}: it is no serial line")

    async def open(self) -> Channel:
        loop = asyncio.get_running_loop()
        try:
            _, channel = await serial_asyncio.create_serial_connection(
                loop, SerialChannel, self._device, baudrate=self._baudrate, exclusive=True
            )
        except serial.SerialException as error:
            if error.errno is None:
                raise OSError(errno.EIO, str(error)) from None
            reason = OSError(error.errno, os.strerror(error.errno))
            raise explained(self._device, reason) from None
        opened = cast("SerialChannel", channel)
        await opened.connected.wait()
        return opened

    async def close(self) -> None:
        pass


def _may_be_line(device: str) -> bool:
    """Whether it can be a serial line, or can't be told: what isn't there yet may come."""
    try:
        fd = os.open(device, os.O_RDWR | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except IsADirectoryError:
        return False
    except OSError:
        return True
    try:
        return os.isatty(fd)
    finally:
        os.close(fd)


class SerialChannel(BufferedChannel, asyncio.Protocol):
    """An open serial line, which holds one piece that was read and one to be written."""

    def __init__(self) -> None:
        super().__init__()
        self._transport: asyncio.Transport | None = None
        #: Set when the transport has introduced itself, a turn after it was made.
        self.connected = asyncio.Event()
        self._is_full = False

    # -- what the user calls ---------------------------------------------------------------

    def _read_on(self) -> None:
        if self._transport is not None and self._failure is None:
            self._transport.resume_reading()

    def write_now(self, data: memoryview) -> int:
        if self._failure is not None:
            raise self._failure
        written = 0
        while written < len(data) and not self._is_full and self._transport is not None:
            piece = data[written : written + _MAX_FRAME]
            self._transport.write(bytes(piece))
            written += len(piece)
        self._is_blocked = written < len(data)
        return written

    async def close(self) -> None:
        """Close it, after a moment in which pending bytes may leave.

        Closing drains the line (tcdrain), which blocks while the other end doesn't read. So the
        line is drained before, in a thread, and what is left then is discarded.
        """
        self._user = None
        transport, self._transport = self._transport, None
        if transport is None:
            return
        line = cast("serial.SerialBase", transport.get_extra_info("serial"))
        try:
            async with asyncio.timeout(_LAST_WRITE):
                await off_loop(line.flush)
        except (OSError, TimeoutError, *_GONE):
            with contextlib.suppress(OSError, *_GONE):
                line.reset_output_buffer()
        transport.abort()

    # -- what the transport calls ----------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=_MAX_FRAME, low=0)
        self.connected.set()

    def data_received(self, data: bytes) -> None:
        self._unread = bytes(self._unread) + data
        if self._transport is not None:
            self._transport.pause_reading()
        self._tell()

    def connection_lost(self, exc: Exception | None) -> None:
        self._failure = ConnectionResetError(errno.ECONNRESET, "the serial line has gone")
        if self._user is not None and not self._unread:
            self._user.on_failed(self._failure)

    def pause_writing(self) -> None:
        self._is_full = True

    def resume_writing(self) -> None:
        self._is_full = False
        self._tell_writable()
