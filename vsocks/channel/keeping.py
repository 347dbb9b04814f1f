"""A channel's connection that outlives the daemon, because somebody else keeps a duplicate of it.

QEMU notices nothing then of a daemon that is killed and of the next one. If it did, it would lose
the guest's write that it has in its hands (see quiet.py), and a port that lost many is dead.
"""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Final

from vsocks.aio import service_manager
from vsocks.channel.base import Channel, ChannelSource
from vsocks.channel.lock import fingerprint
from vsocks.channel.sockets import SocketSource, socket_channel

if TYPE_CHECKING:
    import socket

    from vsocks.channel.keeper import Keeper
    from vsocks.channel.spec import ChannelSpec

log = logging.getLogger(__name__)

#: What a connection is called.
_PREFIX: Final = "vsocks-"


class KeptSource(ChannelSource):
    """A source whose connections are kept, and which begins with the one that was left."""

    def __init__(self, inner: SocketSource, keeper: Keeper) -> None:
        self._inner = inner
        self._keeper = keeper
        self._is_first = True
        self.name = inner.name
        self.max_frame = inner.max_frame

    async def start(self) -> None:
        await self._inner.start()

    async def open(self) -> Channel:
        return socket_channel(await self._connect(), stays=self._keeper.stays)

    async def _connect(self) -> socket.socket:
        if self._is_first:
            self._is_first = False
            left = await self._keeper.take()
            if left is not None:
                log.info("taking up the connection that the last daemon left")
                return left
        connection = await self._inner.connect()
        await self._keeper.keep(connection)
        return connection

    async def close(self) -> None:
        self._keeper.close()
        await self._inner.close()


if sys.platform == "linux":

    def kept(source: ChannelSource, spec: ChannelSpec) -> ChannelSource:
        """The source, with its connections kept, if they are such that somebody else can."""
        if not isinstance(source, SocketSource):
            return source
        from vsocks.channel.holder_keeper import HolderKeeper
        from vsocks.channel.service_store import ServiceStore

        key = _PREFIX + fingerprint(spec)
        by_service = service_manager.is_there()
        return KeptSource(source, ServiceStore(key) if by_service else HolderKeeper(key))

else:

    def kept(source: ChannelSource, _spec: ChannelSpec) -> ChannelSource:
        """Only Linux can."""
        return source
