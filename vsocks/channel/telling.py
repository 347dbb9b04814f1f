"""What channels have in common that find out by themselves when there is something to read."""

from __future__ import annotations

import abc
import asyncio
from typing import TYPE_CHECKING

from vsocks.channel.base import Channel

if TYPE_CHECKING:
    from vsocks.channel.base import ChannelUser


class TellingChannel(Channel):
    """Tells its user, once a turn, while ``_has_news()`` and reading isn't paused."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        #: None before start() and after close().
        self._user: ChannelUser | None = None
        self._is_paused = False
        #: Whether the last write was not taken as a whole.
        self._is_blocked = False
        self._tells = False

    @abc.abstractmethod
    def _has_news(self) -> bool:
        """Whether read_now() may have bytes or a failure to give."""

    def start(self, user: ChannelUser) -> None:
        self._user = user
        self._tell_soon()

    def pause_reading(self) -> None:
        self._is_paused = True

    def resume_reading(self) -> None:
        self._is_paused = False
        self._tell_soon()

    def _tell_soon(self) -> None:
        """Tell the user to read on, in a later turn: what is there already brings no event."""
        if not self._tells:
            self._tells = True
            self._loop.call_soon(self._tell)

    def _tell(self) -> None:
        self._tells = False
        if self._user is not None and not self._is_paused and self._has_news():
            self._user.on_readable()

    def _tell_writable(self) -> None:
        """Tell the user, if it waits for that, to write on."""
        if self._is_blocked and self._user is not None:
            self._is_blocked = False
            self._user.on_writable()


class BufferedChannel(TellingChannel):
    """Holds one piece that has been read; the next is read when the user has all of it."""

    def __init__(self) -> None:
        super().__init__()
        self._unread: bytes | memoryview = b""
        #: What read_now() and write_now() raise from now on.
        self._failure: OSError | None = None

    @abc.abstractmethod
    def _read_on(self) -> None:
        """Read the next piece."""

    def read_now(self, buffer: memoryview) -> int | None:
        if not self._unread:
            if self._failure is not None:
                raise self._failure
            return None
        size = min(len(buffer), len(self._unread))
        buffer[:size] = self._unread[:size]
        self._unread = self._unread[size:]
        if self._unread:
            self._tell_soon()
        else:
            self._read_on()
        return size

    def _has_news(self) -> bool:
        return bool(self._unread) or self._failure is not None
