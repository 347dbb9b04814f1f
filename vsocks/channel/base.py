"""What a channel can do, and who opens it."""

from __future__ import annotations

import abc
from typing import Protocol


class ChannelUser(Protocol):
    """Who uses an open channel, and hears of it."""

    def on_readable(self) -> None:
        """There may be bytes: read_now() tells. Said again while there are more."""

    def on_writable(self) -> None:
        """write_now() may take more; said after it has not taken all."""

    def on_failed(self, error: OSError) -> None:
        """The channel is of no more use. Never said from within a call of the user's."""


class Channel(abc.ABC):
    """An open channel."""

    @abc.abstractmethod
    def start(self, user: ChannelUser) -> None:
        """Begin to tell ``user``; once."""

    @abc.abstractmethod
    def read_now(self, buffer: memoryview) -> int | None:
        """Put bytes that are there into ``buffer``; returns how many, None if there are none now.

        on_readable() follows when there are. Raises OSError when the channel fails or the other
        end has gone.
        """

    @abc.abstractmethod
    def pause_reading(self) -> None:
        """Have on_readable() not called until resume_reading()."""

    @abc.abstractmethod
    def resume_reading(self) -> None:
        """Have it called again, soon if there may be bytes by now."""

    @abc.abstractmethod
    def write_now(self, data: memoryview) -> int:
        """Take what fits without waiting; returns how many bytes, which may change afterwards.

        If that isn't all, on_writable() follows. Raises OSError when the channel fails.
        """

    @abc.abstractmethod
    async def close(self) -> None:
        """Let go of the channel; nothing is told any more."""


class ChannelSource(abc.ABC):
    """Opens a channel, again and again: after a loss it is simply asked for the next one."""

    #: For people: what is opened.
    name: str = ""
    #: The longest frame that should be sent to us: short where bytes are slow.
    max_frame: int = 0xFFFF

    @abc.abstractmethod
    async def start(self) -> None:
        """Take what only one daemon can have; raises ChannelError if that is impossible."""

    @abc.abstractmethod
    async def open(self) -> Channel:
        """Wait until the other end is there.

        Raises OSError if it isn't yet (not found, refused): ask again a little later.
        """

    @abc.abstractmethod
    async def close(self) -> None:
        """Give back what start() took."""
