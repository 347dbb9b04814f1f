"""What a channel can do, and who opens it."""

from __future__ import annotations

import abc


class Channel(abc.ABC):
    """An open channel. One task reads and one writes; close() ends both."""

    @abc.abstractmethod
    async def read_into(self, buffer: memoryview) -> int:
        """Wait for bytes and put them into ``buffer``; 0 when the other end has gone.

        Raises OSError when the channel fails.
        """

    @abc.abstractmethod
    def write_now(self, data: memoryview) -> int:
        """Write what fits without waiting; returns how many bytes that was, maybe none.

        Raises OSError when the channel fails. Not to be called while write() waits.
        """

    @abc.abstractmethod
    async def write(self, data: memoryview) -> None:
        """Write all of ``data``, which must stay as it is until then.

        Raises OSError when the channel fails.
        """

    @abc.abstractmethod
    async def close(self) -> None:
        """Let go of the channel; reads and writes that wait end with an error."""


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
