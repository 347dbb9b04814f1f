"""When no channel is named, the best one that exists."""

from __future__ import annotations

import asyncio
import errno
import logging
from typing import TYPE_CHECKING, Final

from vsocks.channel.base import Channel, ChannelSource

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vsocks.channel.base import ChannelUser

log = logging.getLogger(__name__)

#: Seconds between two looks for a better one.
_LOOK: Final = 1.0


class AutoSource(ChannelSource):
    """Opens one of several channels: the first that exists, and once a session has stood that one.

    Until then a better one may still come: a driver may start late, while the machine has a serial
    port from the beginning.
    """

    def __init__(self, candidates: Sequence[ChannelSource]) -> None:
        """``candidates``: the best one first."""
        self._candidates = candidates
        self._proven: ChannelSource | None = None

    async def start(self) -> None:
        pass

    async def open(self) -> Channel:
        if self._proven is not None:
            return await self._proven.open()
        for at, candidate in enumerate(self._candidates):
            try:
                channel = await _open_unless(candidate, self._candidates[:at])
            except FileNotFoundError:
                continue
            if self.name != candidate.name:
                log.info("found %s", candidate.name)
            self.name, self.max_frame = candidate.name, candidate.max_frame
            return _UnprovenChannel(channel, self, candidate, self._candidates[:at])
        names = ", ".join(candidate.name for candidate in self._candidates)
        raise FileNotFoundError(
            errno.ENOENT, f"none of {names} exists; has the VM the port, and the guest its driver?"
        )

    def prove(self, candidate: ChannelSource) -> None:
        """Stay with this one: a session stood on it."""
        self._proven = candidate

    async def close(self) -> None:
        for candidate in self._candidates:
            await candidate.close()


async def _open_unless(candidate: ChannelSource, better: Sequence[ChannelSource]) -> Channel:
    """Open it, which may wait long for a host; raises OSError if a better one comes meanwhile."""
    opening = asyncio.ensure_future(candidate.open())
    try:
        while not (await asyncio.wait({opening}, timeout=_LOOK))[0]:
            if (found := _first_that_exists(better)) is not None:
                raise _gives_way(candidate, found)
        return opening.result()
    finally:
        if not opening.done():
            opening.cancel()
            await asyncio.wait({opening})
            await candidate.close()


def _first_that_exists(sources: Sequence[ChannelSource]) -> ChannelSource | None:
    return next((each for each in sources if each.exists()), None)


def _gives_way(candidate: ChannelSource, better: ChannelSource) -> OSError:
    return OSError(errno.EAGAIN, f"{better.name} is there now, and comes before {candidate.name}")


class _UnprovenChannel(Channel):
    """A channel that fails as soon as a better one exists, unless a session has stood on it."""

    def __init__(
        self,
        channel: Channel,
        source: AutoSource,
        candidate: ChannelSource,
        better: Sequence[ChannelSource],
    ) -> None:
        self._channel = channel
        self._source = source
        self._candidate = candidate
        self._better = better
        self._looking: asyncio.TimerHandle | None = None
        self._gives_way = False

    def start(self, user: ChannelUser) -> None:
        self._look_later(user)
        self._channel.start(user)

    def _look_later(self, user: ChannelUser) -> None:
        if self._better:
            self._looking = asyncio.get_running_loop().call_later(_LOOK, self._look, user)

    def _look(self, user: ChannelUser) -> None:
        better = _first_that_exists(self._better)
        if better is None:
            self._look_later(user)
        else:
            self._gives_way = True
            user.on_failed(_gives_way(self._candidate, better))

    def read_now(self, buffer: memoryview) -> int | None:
        return self._channel.read_now(buffer)

    def pause_reading(self) -> None:
        self._channel.pause_reading()

    def resume_reading(self) -> None:
        self._channel.resume_reading()

    def write_now(self, data: memoryview) -> int:
        return self._channel.write_now(data)

    def session_up(self) -> None:
        self._stop_looking()
        self._source.prove(self._candidate)
        self._channel.session_up()

    def session_lost(self) -> None:
        self._channel.session_lost()

    def _stop_looking(self) -> None:
        if self._looking is not None:
            self._looking.cancel()
            self._looking = None

    async def close(self) -> None:
        self._stop_looking()
        await self._channel.close()
        if self._gives_way:
            await self._candidate.close()
