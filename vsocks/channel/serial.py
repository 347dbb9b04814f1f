"""A serial line: a real tty, a pseudo-terminal, a COM port of the VM.

pyserial-asyncio opens it and sets it to pass bytes as they are.
"""

from __future__ import annotations

import asyncio
import errno
from typing import Final, cast

import serial
import serial_asyncio

from vsocks.channel.base import Channel, ChannelSource

#: A serial line may be slow: a long frame would keep everything else waiting.
_MAX_FRAME: Final = 4096


class SerialSource(ChannelSource):
    """Opens the device, exclusively."""

    max_frame = _MAX_FRAME

    def __init__(self, device: str, baudrate: int) -> None:
        self._device = device
        self._baudrate = baudrate

    async def start(self) -> None:
        pass

    async def open(self) -> Channel:
        loop = asyncio.get_running_loop()
        try:
            transport, protocol = await serial_asyncio.create_serial_connection(
                loop, _Line, self._device, baudrate=self._baudrate, exclusive=True
            )
        except serial.SerialException as error:
            raise OSError(error.errno or errno.EIO, str(error)) from None
        return SerialChannel(cast("asyncio.Transport", transport), cast("_Line", protocol))

    async def close(self) -> None:
        pass


class _Line(asyncio.Protocol):
    """Holds what was read, one read at a time, and knows when the line takes bytes again."""

    def __init__(self) -> None:
        self.pending = b""
        self.lost = False
        self.readable = asyncio.Event()
        self.writable = asyncio.Event()
        self.writable.set()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=_MAX_FRAME, low=0)

    def data_received(self, data: bytes) -> None:
        self.pending += data
        self.readable.set()
        if self._transport is not None:
            self._transport.pause_reading()

    def take(self, size: int) -> bytes:
        taken, self.pending = self.pending[:size], self.pending[size:]
        if not self.pending and not self.lost and self._transport is not None:
            self.readable.clear()
            self._transport.resume_reading()
        return taken

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True
        self.readable.set()
        self.writable.set()

    def pause_writing(self) -> None:
        self.writable.clear()

    def resume_writing(self) -> None:
        self.writable.set()


class SerialChannel(Channel):
    """An open serial line."""

    def __init__(self, transport: asyncio.Transport, line: _Line) -> None:
        self._transport = transport
        self._line = line

    async def read_into(self, buffer: memoryview) -> int:
        await self._line.readable.wait()
        data = self._line.take(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def write_now(self, data: memoryview) -> int:
        if not self._line.writable.is_set():
            return 0
        if self._line.lost:
            raise ConnectionResetError(errno.ECONNRESET, "the serial line has gone")
        size = min(len(data), _MAX_FRAME)
        self._transport.write(bytes(data[:size]))
        return size

    async def write(self, data: memoryview) -> None:
        written = 0
        while written < len(data):
            await self._line.writable.wait()
            written += self.write_now(data[written:])

    async def close(self) -> None:
        self._transport.abort()
