"""A stream to be read and written by a task that looks into its bytes."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Final

from vsocks.errors import SessionLostError
from vsocks.mux.owned_stream import Lease
from vsocks.protocol.messages import CloseCode

if TYPE_CHECKING:
    from vsocks.mux.pool import Pool
    from vsocks.mux.switchboard import Switchboard


#: Seconds in which the peer may end a stream that we have ended.
_LINGER: Final = 0.5


class Conduit(Lease):
    """A Lease whose data waits in the slot's ring until it is asked for."""

    def __init__(self, switchboard: Switchboard, pool: Pool) -> None:
        super().__init__(switchboard, pool)
        self._news = asyncio.Event()
        self._peer_ended = False

    @property
    def buffer(self) -> memoryview:
        """The slot's memory for what is to be sent, the owner's to use."""
        return self._slot.outbound

    async def send(self, data: memoryview) -> None:
        """Send ``data``, which may change afterwards.

        Raises SessionLostError if the stream is closed or the session ends.
        """
        if self._stream is None:
            raise SessionLostError("the stream is closed")
        if data:
            await self._switchboard.send(self._stream, data)

    def end(self) -> None:
        """Send no more."""
        if self._stream is not None:
            self._switchboard.end(self._stream)

    async def receive(self) -> memoryview:
        """The oldest bytes that have come, as many as lie together; none at the end.

        They are valid until consumed() says how many of them are done with.
        """
        ring = self._slot.inbound
        while not len(ring) and not self._peer_ended:
            self._news.clear()
            await self._news.wait()
        return ring.peek()

    @property
    def is_quiet(self) -> bool:
        """Whether nothing waits in either direction, and the peer has not ended."""
        return self.has_sent and not self._peer_ended and not len(self._slot.inbound)

    @property
    def has_sent(self) -> bool:
        """Whether all that was to be sent has gone; not so after a send() that was cancelled."""
        return self._stream is not None and self._stream.outbound is None

    def consumed(self, size: int) -> None:
        """Be done with the oldest ``size`` bytes: the peer may send as many more."""
        self._slot.inbound.drop(size)
        if self._stream is not None:
            self._switchboard.consumed(self._stream, size)
            self._switchboard.flush_soon()

    async def finish(self) -> None:
        """Close the stream, by a reset only if the peer doesn't end soon, too."""
        self.end()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LINGER):
                while data := await self.receive():
                    self.consumed(len(data))
        self._close_stream(CloseCode.DONE)

    def on_data(self, data: memoryview) -> None:
        """Data has come."""
        self._slot.inbound.put(data)
        self._news.set()

    def on_end(self) -> None:
        """The peer sends no more."""
        self._peer_ended = True
        self._news.set()

    async def _let_go(self, *, failed: bool) -> None:
        """There is nothing but the stream."""
