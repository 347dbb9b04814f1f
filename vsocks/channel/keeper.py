"""What keeps a channel's connection when its daemon is gone; there are two kinds."""

from __future__ import annotations

import abc
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import socket


class Keeper(abc.ABC):
    """Keeps the connection of one channel.

    A connection that is shut down is forgotten, so whoever ends one need not say so.
    """

    @abc.abstractmethod
    async def take(self) -> socket.socket | None:
        """The connection that the last daemon left, if it left one; it stays kept."""

    @abc.abstractmethod
    async def keep(self, connection: socket.socket) -> None:
        """Keep that one. If it can't be kept, that is logged."""

    @abc.abstractmethod
    def stays(self) -> bool:
        """Whether the connection is left to the next daemon if ours ends now, in the orderly way.

        When it is killed, it always is.
        """

    @abc.abstractmethod
    def close(self) -> None:
        """There is nothing more to keep."""
