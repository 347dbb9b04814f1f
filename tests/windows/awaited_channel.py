"""A channel to be awaited, for tests that read and write one piece after the other."""

from __future__ import annotations

import asyncio

from vsocks.channel.base import Channel


class AwaitedChannel:
    """A ChannelUser."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self._readable = asyncio.Event()
        self._writable = asyncio.Event()
        self._failure: OSError | None = None
        channel.start(self)

    async def read_into(self, buffer: memoryview) -> int:
        """Some bytes; raises OSError when the channel fails or the other end has gone."""
        while (size := self.channel.read_now(buffer)) is None:
            self._readable.clear()
            await self._readable.wait()
            self._check()
        return size

    def write_now(self, data: memoryview) -> int:
        return self.channel.write_now(data)

    async def write(self, data: memoryview) -> None:
        """All of it."""
        while data := data[self.channel.write_now(data) :]:
            self._writable.clear()
            await self._writable.wait()
            self._check()

    async def close(self) -> None:
        await self.channel.close()

    def _check(self) -> None:
        if self._failure is not None:
            raise self._failure

    def on_readable(self) -> None:
        self._readable.set()

    def on_writable(self) -> None:
        self._writable.set()

    def on_failed(self, error: OSError) -> None:
        self._failure = error
        self._readable.set()
        self._writable.set()
