"""A client's connection as long as somebody looks at its bytes."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
from typing import TYPE_CHECKING, Any, Final

from vsocks.aio.tasks import cancel

if TYPE_CHECKING:
    from collections.abc import Callable

#: Read at once.
_READ_SIZE: Final = 16 * 1024
#: Seconds in which a client that has had its last answer may read it.
_LINGER: Final = 1.0
#: Seconds to wait for the host before looking whether the client is still there.
_PATIENCE: Final = 0.3


class ClientConnection:
    """Reads that can be given up without losing what comes, and last words that arrive.

    On Windows a read that is cancelled may have taken bytes out of the socket, which are lost
    then. So there is one read at a time, which goes on when nobody waits for it any more; who
    reads next gets what it brings.
    """

    def __init__(self, client: socket.socket) -> None:
        self.socket = client
        self._loop = asyncio.get_running_loop()
        self._reading: asyncio.Task[bytes] | None = None

    async def read(self) -> bytes:
        """The next bytes, none at the end. Raises OSError."""
        if self._reading is None:
            self._reading = self._loop.create_task(self._loop.sock_recv(self.socket, _READ_SIZE))
        data = await asyncio.shield(self._reading)
        self._reading = None
        return data

    def unfinished_read(self) -> asyncio.Task[bytes] | None:
        """The read that is under way: whoever takes the socket over has to wait for it first."""
        return self._reading

    async def send(self, data: bytes | memoryview) -> None:
        """Send all of it. Raises OSError."""
        await self._loop.sock_sendall(self.socket, data)

    async def send_last(self, data: bytes) -> None:
        """Send ``data`` and end, so that the client gets it.

        A socket that is closed with unread bytes is reset, and the reset may overtake the data;
        so what the client still sends is read for a moment.
        """
        with contextlib.suppress(OSError):
            async with asyncio.timeout(_LINGER):
                if data:
                    await self.send(data)
                self.socket.shutdown(socket.SHUT_WR)
                while await self.read():
                    pass

    async def wait_while_it_stays(
        self, *awaited: asyncio.Future[Any], keep: Callable[[bytes], bool]
    ) -> None:
        """Wait until one is done; raises ConnectionResetError if the client doesn't wait for it.

        ``keep`` takes what the client sends meanwhile, at most one piece of it, and says whether
        it has sent anything so far: one that has may end its side and still be there.
        """
        await asyncio.wait(awaited, timeout=_PATIENCE, return_when=asyncio.FIRST_COMPLETED)
        if any(future.done() for future in awaited):
            return
        watching = self._loop.create_task(self.read())
        try:
            waiting: set[asyncio.Future[Any]] = {*awaited, watching}
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            if watching.done():
                if not keep(watching.result()):
                    raise ConnectionResetError(errno.ECONNRESET, "the client has left")
                await asyncio.wait(awaited, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await cancel(watching)

    async def close(self) -> None:
        """Give up a read that is under way; the socket's owner closes the socket."""
        if self._reading is not None:
            await cancel(self._reading)
