"""When no channel is named, the first one that exists."""

from __future__ import annotations

import errno
import logging
from typing import TYPE_CHECKING

from vsocks.channel.base import Channel, ChannelSource

if TYPE_CHECKING:
    from collections.abc import Sequence

log = logging.getLogger(__name__)


class AutoSource(ChannelSource):
    """Opens one of several channels: the first that exists, and from then on that one."""

    def __init__(self, candidates: Sequence[ChannelSource]) -> None:
        self._candidates = candidates
        self._taken: ChannelSource | None = None

    async def start(self) -> None:
        pass

    async def open(self) -> Channel:
        if self._taken is not None:
            return await self._taken.open()
        for candidate in self._candidates:
            try:
                channel = await candidate.open()
            except FileNotFoundError:
                continue
            log.info("found %s", candidate.name)
            self._taken, self.name = candidate, candidate.name
            self.max_frame = candidate.max_frame
            return channel
        names = ", ".join(candidate.name for candidate in self._candidates)
        raise FileNotFoundError(
            errno.ENOENT, f"none of {names} exists; has the VM the port, and the guest its driver?"
        )

    async def close(self) -> None:
        for candidate in self._candidates:
            await candidate.close()
