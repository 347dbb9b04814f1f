"""What a channel is to its user, and to whoever opens it."""

from __future__ import annotations

import abc
from typing import Protocol


class ChannelUser(Protocol):
    """The user of an open channel, which is told what happens to it."""

    def on_readable(self) -> None:
        """There may be bytes: call read_now(). Told again while there are more."""

    def on_writable(self) -> None:
        """write_now() may take more; told after it has not taken everything."""

    def on_failed(self, error: OSError) -> None:
        """The channel is unusable. Never told within one of the user's own calls."""


class Channel(abc.ABC):
    """An open channel."""

    @abc.abstractmethod
    def start(self, user: ChannelUser) -> None:
        """Start telling ``user``; called once."""

    @abc.abstractmethod
    def read_now(self, buffer: memoryview) -> int | None:
        """Read what has arrived into ``buffer``; returns how many bytes, None if there are none.

        on_readable() follows when there are. Raises OSError when the channel fails or the other
        end has gone.
        """

    @abc.abstractmethod
    def pause_reading(self) -> None:
        """Hold on_readable() back until resume_reading()."""

    @abc.abstractmethod
    def resume_reading(self) -> None:
        """Tell on_readable() again; soon, if there may be bytes already."""

    @abc.abstractmethod
    def write_now(self, data: memoryview) -> int:
        """Write what fits, without waiting; returns how many bytes, which may be reused then.

        If that wasn't everything, on_writable() follows. Raises OSError when the channel fails.
        """

    def session_up(self) -> None:  # noqa: B027 - most channels have no use for it
        """The user has a session with the other end: this is the right channel."""

    def session_lost(self) -> None:  # noqa: B027
        """The user's session is over while the channel stands: who was written to has gone."""

    @abc.abstractmethod
    async def close(self) -> None:
        """Close the channel; nothing is told any more."""

    async def leave(self) -> None:
        """The same when the daemon ends; if somebody keeps it open for the next, it stays so."""
        await self.close()


class ChannelSource(abc.ABC):
    """Opens a channel again and again: after a loss it is simply asked for the next one."""

    #: For people: what is opened.
    name: str = ""
    #: The longest frame that should be sent to us: short where bytes are slow.
    max_frame: int = 0xFFFF

    def exists(self) -> bool:
        """Whether it is known to be there, without opening it."""
        return False

    @abc.abstractmethod
    async def start(self) -> None:
        """Take what only one daemon can have; raises VsocksError if it can't be had."""

    @abc.abstractmethod
    async def open(self) -> Channel:
        """Wait for the other end.

        Raises OSError if it isn't yet (not found, refused): ask again a little later.
        """

    @abc.abstractmethod
    async def close(self) -> None:
        """Give back what start() took."""
