"""Many guests that have a session and nothing to say, in one event loop in a thread."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from tests.integration.support.waiting import DEADLINE
from vsocks.protocol.endpoint import MAX_OUTPUT, Endpoint, EndpointConfig
from vsocks.protocol.handshake import Offer, Role

T = TypeVar("T")
#: Seconds between looks at what an endpoint wants at that time.
POLL = 0.25


class IdleGuest(asyncio.Protocol):
    """A guest's endpoint on a channel: it answers heartbeats, and nothing else."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._endpoint = Endpoint(EndpointConfig(Role.GUEST, Offer()), self._loop.time())
        self._out = memoryview(bytearray(MAX_OUTPUT))
        #: Done when a session stands, and when the channel has ended.
        self.is_up: asyncio.Future[None] = self._loop.create_future()
        self.over: asyncio.Future[None] = self._loop.create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The channel is open."""
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport
        list(self._endpoint.start())
        self._poll()

    def data_received(self, data: bytes) -> None:
        """The host says something."""
        while data:
            buffer = self._endpoint.buffer()
            size = min(len(buffer), len(data))
            buffer[:size] = data[:size]
            data = data[size:]
            list(self._endpoint.received(size, self._loop.time()))
        if self._endpoint.session is not None and not self.is_up.done():
            self.is_up.set_result(None)
        self._flush()

    def connection_lost(self, _error: Exception | None) -> None:
        """The host has gone."""
        self.over.set_result(None)

    def close(self) -> None:
        """End the channel; over says when that is done."""
        self._transport.abort()

    def _poll(self) -> None:
        if not self.over.done():
            list(self._endpoint.poll(self._loop.time()))
            self._flush()
            self._loop.call_later(POLL, self._poll)

    def _flush(self) -> None:
        while size := self._endpoint.write_into(self._out, self._loop.time()):
            self._transport.write(bytes(self._out[:size]))


class IdleGuests:
    """Guests at the sockets on which a host daemon listens, until the context is left."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._guests: list[IdleGuest] = []

    def connect(self, channels: Sequence[Path], deadline: float) -> None:
        """Have a session on each."""
        self._run(self._connect(channels), deadline)

    @property
    def lost(self) -> int:
        """How many of them have no channel any more."""
        return sum(guest.over.done() for guest in self._guests)

    async def _connect(self, channels: Sequence[Path]) -> None:
        for channel in channels:
            _, guest = await self._loop.create_unix_connection(IdleGuest, str(channel))
            self._guests.append(guest)
        await asyncio.gather(*(guest.is_up for guest in self._guests))

    async def _close(self) -> None:
        for guest in self._guests:
            guest.close()
        await asyncio.gather(*(guest.over for guest in self._guests))

    def _run(self, work: Coroutine[Any, Any, T], deadline: float) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(deadline)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._run(self._close(), DEADLINE)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(DEADLINE)
        self._loop.close()
