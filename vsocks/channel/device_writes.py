"""What is written to a device of Windows, one write after the other.

A write to a virtio-serial port can't be cancelled, and need not ever end: QEMU never returns the
one that it is busy with when its client goes (hw/char/virtio-serial-bus.c, discard_throttle_data).
The driver takes others beside it, so such a write is given up: left to itself, with its buffer,
which nobody uses again until the write has ended after all. Each keeps room in the driver's queue,
so there is a bound.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final, Protocol

from vsocks.channel.device import was_refused

if TYPE_CHECKING:
    from vsocks.channel.device import Device

log = logging.getLogger(__name__)

#: Bytes of a write: 8 of the 128 descriptors of the driver's queue, a page each.
MAX_WRITE: Final = 32 * 1024
#: How many writes may be given up at once: with the one under way, little more than half the queue.
MAX_GIVEN_UP: Final = 8
#: Seconds that a write has to end after its host has gone.
PATIENCE: Final = 1.0
#: Seconds between attempts while no host is there or the queue is full.
_FIRST_RETRY: Final = 0.01
_LAST_RETRY: Final = 0.25

_HOW_TO_GO_ON: Final = (
    "%d writes to the port have not ended since their hosts went, and no more are begun: the "
    "driver can't cancel them. If a host is connected now and reads, restart this machine"
)


class WritesUser(Protocol):
    """Who is told what becomes of the writes."""

    def on_writable(self) -> None:
        """Nothing is under way; write_now() takes bytes again."""

    def on_refused(self) -> None:
        """The device has refused a write, which is tried again: the host may have gone."""

    def on_write_failed(self, error: OSError) -> None:
        """The device is unusable."""


class DeviceWrites:
    """The write under way, those that were given up, and their buffers."""

    def __init__(self, device: Device, user: WritesUser) -> None:
        self._device = device
        self._user = user
        self._loop = asyncio.get_running_loop()
        self._buffer = memoryview(bytearray(MAX_WRITE))
        #: What of the buffer is still to be written.
        self._rest = self._buffer[:0]
        self._writing: asyncio.Future[int] | None = None
        self._retry: asyncio.TimerHandle | None = None
        self._delay = _FIRST_RETRY
        self._given_up: dict[asyncio.Future[int], memoryview] = {}
        #: A write that should be given up, but for the bound.
        self._due: asyncio.Future[int] | None = None
        self._idle = asyncio.Event()
        self._idle.set()

    # -- one write -------------------------------------------------------------------------

    def write_now(self, data: memoryview) -> int:
        """Start writing as much as the buffer holds; 0 while a write is under way."""
        if self._rest:
            return 0
        size = min(len(data), MAX_WRITE)
        self._buffer[:size] = data[:size]
        self._rest = self._buffer[:size]
        self._delay = _FIRST_RETRY
        self._idle.clear()
        self._write()
        return size

    async def written(self) -> None:
        """Wait until nothing is under way but what was given up."""
        await self._idle.wait()

    def _write(self) -> None:
        self._retry = None
        try:
            writing = self._device.write(self._rest)
        except OSError as error:
            self._on_error(error)
        else:
            self._writing = writing
            writing.add_done_callback(self._on_done)

    def _on_done(self, writing: asyncio.Future[int]) -> None:
        if writing.cancelled():
            return
        error = writing.exception()
        if writing is not self._writing:
            self._on_late_end(writing)
            return
        self._writing = None
        if isinstance(error, OSError):
            self._on_error(error)
            return
        self._rest = self._rest[writing.result() :]
        if self._rest:
            self._write()
        else:
            self._ready()

    def _on_error(self, error: OSError) -> None:
        """Write the same bytes again if they were refused."""
        if not was_refused(self._device, error):
            self._user.on_write_failed(error)
            return
        self._retry = self._loop.call_later(self._delay, self._write)
        self._delay = min(_LAST_RETRY, self._delay * 2)
        self._user.on_refused()

    def _ready(self) -> None:
        self._rest = self._buffer[:0]
        self._idle.set()
        self._user.on_writable()

    # -- writes that don't end -------------------------------------------------------------

    def give_up_soon(self) -> None:
        """Who was written to has gone: drop what was refused; wait no longer for what wasn't.

        (No longer than PATIENCE.)
        """
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
            self._loop.call_soon(self._ready)
        elif self._writing is not None:
            self._loop.call_later(PATIENCE, self._give_up, self._writing)

    def _give_up(self, writing: asyncio.Future[int]) -> None:
        if writing is not self._writing:
            return
        if len(self._given_up) >= MAX_GIVEN_UP:
            if self._due is not writing:
                log.error(_HOW_TO_GO_ON, len(self._given_up) + 1)
            self._due = writing
            return
        self._due = None
        self._given_up[writing] = self._buffer
        log.warning(
            "a write has not ended since the port's host went; it is left to itself (%d of %d)",
            len(self._given_up),
            MAX_GIVEN_UP,
        )
        self._writing = None
        self._buffer = memoryview(bytearray(MAX_WRITE))
        self._ready()

    def _on_late_end(self, writing: asyncio.Future[int]) -> None:
        """A write that was given up has ended after all."""
        self._given_up.pop(writing, None)
        if self._due is not None:
            self._give_up(self._due)

    def close(self) -> None:
        """Ask for the end of all of them; the buffers stay for as long as they need."""
        if self._retry is not None:
            self._retry.cancel()
        for writing in (self._writing, *self._given_up):
            if writing is not None:
                writing.cancel()
        self._idle.set()
