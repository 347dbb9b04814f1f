"""Both daemons in one event loop, joined by a pair of sockets."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass

from tests.one_process.conftest import running, until
from vsocks.channel.base import Channel, ChannelSource
from vsocks.channel.sockets import socket_channel
from vsocks.guest.daemon import Guest, GuestConfig
from vsocks.host.config import HostConfig
from vsocks.host.daemon import Host
from vsocks.policy.policy import Policy, Rule
from vsocks.protocol.endpoint import Wire

LOOPBACK = Policy([Rule.parse("allow", "127.0.0.0/8"), Rule.parse("allow", "::1")])


class HandedSource(ChannelSource):
    """Opens what it is handed, one after the other."""

    name = "pair"

    def __init__(self) -> None:
        self.sockets: asyncio.Queue[socket.socket] = asyncio.Queue()

    async def start(self) -> None:
        pass

    async def open(self) -> Channel:
        return socket_channel(await self.sockets.get())

    async def close(self) -> None:
        while not self.sockets.empty():
            self.sockets.get_nowait().close()


def join(*sources: HandedSource) -> None:
    """Give each an end of a new pair."""
    for source, end in zip(sources, socket.socketpair(), strict=True):
        source.sockets.put_nowait(end)


@dataclass
class Pair:
    """Two daemons and the way in."""

    guest: Guest
    host: Host
    proxy: tuple[str, int]
    sources: tuple[HandedSource, ...] = ()

    def rejoin(self) -> None:
        """A new channel, when the old one has ended."""
        join(*self.sources)


@contextlib.asynccontextmanager
async def pair(
    *,
    wire: Wire = Wire.AUTO,
    guest: GuestConfig | None = None,
    host: HostConfig | None = None,
) -> AsyncIterator[Pair]:
    """A session stands when the body begins, and all is closed when it has ended."""
    sources = HandedSource(), HandedSource()
    guest_config = guest or GuestConfig(wire, listen=(("127.0.0.1", 0),))
    inner = Guest(guest_config, sources[0])
    outer = Host(host or HostConfig(wire, LOOPBACK), sources[1])
    await inner.start()
    await outer.start()
    address = inner.address
    join(*sources)
    async with running(inner.run(), outer.run()):
        await until(lambda: inner.has_session and outer.has_session)
        yield Pair(inner, outer, address, sources)


@contextlib.asynccontextmanager
async def echo_server() -> AsyncIterator[tuple[str, int]]:
    """A target that sends back what it is sent, and ends when its client has."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
            writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[:2]
    finally:
        server.close()
