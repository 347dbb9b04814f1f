"""Writing what an endpoint has to say into its channel.

It is written at once as far as the channel takes it; the rest is left to run(), and meanwhile
nothing more is framed, so that what is urgent can still go first. Frames are made in one
buffer that is never given to anybody else: a write that is still under way can't send bytes
of a later session or stream.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from vsocks.protocol.endpoint import MAX_OUTPUT

if TYPE_CHECKING:
    from collections.abc import Callable

    from vsocks.channel import Channel
    from vsocks.protocol.endpoint import Endpoint

#: Bytes framed at once.
STAGING_SIZE: Final = 256 * 1024
assert STAGING_SIZE >= MAX_OUTPUT


class Transmitter:
    """The writer of one opening of a channel. The owner runs run() as a task."""

    def __init__(
        self,
        channel: Channel,
        endpoint: Endpoint,
        staging: memoryview,
        on_framed: Callable[[], None],
    ) -> None:
        """``on_framed`` is called when data has left the endpoint, and may have made room there."""
        self._channel = channel
        self._endpoint = endpoint
        self._staging = staging
        self._on_framed = on_framed
        self._loop = asyncio.get_running_loop()
        self._unsent: memoryview | None = None
        self._failure: OSError | None = None
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._is_scheduled = False

    @property
    def is_blocked(self) -> bool:
        """Whether the channel takes no more bytes for now."""
        return self._unsent is not None

    def flush(self) -> None:
        """Send what is to be sent, as far as the channel takes it now."""
        if self._unsent is not None or self._failure is not None:
            return
        while size := self._endpoint.write_into(self._staging, self._loop.time()):
            self._on_framed()
            try:
                written = self._channel.write_now(self._staging[:size])
            except OSError as error:
                self._failure = error
                self._wake.set()
                return
            if written < size:
                self._unsent = self._staging[written:size]
                self._idle.clear()
                self._wake.set()
                return

    def flush_soon(self) -> None:
        """Send in this turn of the event loop, with what other streams have to say in it.

        A write wakes the peer, which costs far more than the bytes of a control message.
        """
        if not self._is_scheduled:
            self._is_scheduled = True
            self._loop.call_soon(self._flush_scheduled)

    def _flush_scheduled(self) -> None:
        self._is_scheduled = False
        self.flush()

    async def idle(self) -> None:
        """Wait until all that was framed is written."""
        await self._idle.wait()

    async def run(self) -> None:
        """Finish what flush() could not write at once; raises OSError when the channel fails."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            if self._failure is not None:
                raise self._failure
            if self._unsent is not None:
                await self._channel.write(self._unsent)
                self._unsent = None
                self._idle.set()
                self.flush()
