"""A listening socket, and a task for each client that comes."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from typing import TYPE_CHECKING, Any, Final

from vsocks.aio.tasks import Tasks
from vsocks.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

log = logging.getLogger(__name__)

_BACKLOG: Final = 128
#: Seconds to wait when the system has no more sockets to give.
_ACCEPT_PAUSE: Final = 0.1
#: Windows' ways to say that a client left before it was accepted (python/cpython#93821):
#: ERROR_UNEXP_NET_ERR, ERROR_NETNAME_DELETED, ERROR_SEM_TIMEOUT, ERROR_CONNECTION_ABORTED,
#: WSAECONNRESET, WSAENOTCONN.
_CLIENT_GONE: Final = frozenset({59, 64, 121, 1236, 10054, 10057})


class Listener:
    """Serves clients at a TCP address: start(), then run() until cancelled."""

    def __init__(
        self,
        address: tuple[str, int],
        serve: Callable[[socket.socket], Awaitable[None]],
        max_clients: int,
    ) -> None:
        """``serve`` gets each connection, ``max_clients`` at a time; it may raise OSError."""
        self._address = address
        self._serve = serve
        self._max_clients = max_clients
        self._socket: socket.socket | None = None
        self._clients = Tasks()

    def start(self) -> str:
        """Listen; returns where, as ADDR:PORT. Raises UsageError if the address can't be had."""
        host, port = self._address
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            self._socket = socket.create_server((host, port), family=family, backlog=_BACKLOG)
        except (OSError, OverflowError) as error:
            raise UsageError(f"can't listen on {show(host, port)}: {why(error)}") from None
        self._socket.setblocking(False)
        return show(*self._socket.getsockname()[:2])

    async def run(self) -> None:
        """Serve until cancelled; clients are cancelled then."""
        assert self._socket is not None, "start() comes first"
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(_on_stray_error)
        try:
            while True:
                client = await self._accept(loop, self._socket)
                # While more clients wait, accepting doesn't: the others want a turn, too.
                await asyncio.sleep(0)
                if client is None:
                    continue
                if len(self._clients) >= self._max_clients:
                    client.close()
                    continue
                self._clients.start(self._take(client))
        finally:
            self.close()
            await self._clients.cancel()

    def close(self) -> None:
        """Listen no more; for a listener that isn't run."""
        if self._socket is not None:
            self._socket.close()

    async def _accept(
        self, loop: asyncio.AbstractEventLoop, listener: socket.socket
    ) -> socket.socket | None:
        try:
            client, _ = await loop.sock_accept(listener)
        except OSError as error:
            if not _is_client_gone(error):
                log.warning("accepting a client failed: %s", why(error))
                await asyncio.sleep(_ACCEPT_PAUSE)
            return None
        return client

    async def _take(self, client: socket.socket) -> None:
        """One client, from its coming to its going."""
        with client:
            try:
                client.setblocking(False)
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                await self._serve(client)
            except OSError as error:
                log.debug("client gone: %s", why(error))


def _is_client_gone(error: BaseException | None) -> bool:
    return isinstance(error, OSError) and (
        error.errno == errno.ECONNABORTED or getattr(error, "winerror", None) in _CLIENT_GONE
    )


def _on_stray_error(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Leave out what asyncio says of a failed accept a second time, by a task of its own."""
    if not _is_client_gone(context.get("exception")):
        loop.default_exception_handler(context)


def show(host: str, port: int) -> str:
    """ADDR:PORT, with brackets where they are needed."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def why(error: BaseException) -> str:
    """An error in words for a log."""
    if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
        return "the port is in use"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
