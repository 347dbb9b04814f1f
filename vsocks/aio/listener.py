"""Listening sockets and their clients."""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from enum import Enum, auto
from typing import TYPE_CHECKING, Final

from vsocks.address import format_host_port
from vsocks.aio.cannot_listen import cannot_listen
from vsocks.aio.completion import is_client_gone
from vsocks.aio.current import reactor
from vsocks.aio.socket_options import at_each_address, new_listener, set_up_stream
from vsocks.errors import describe

if TYPE_CHECKING:
    import socket
    from collections.abc import Awaitable, Callable, Sequence

    from vsocks.aio.reactor import Watch

log = logging.getLogger(__name__)

_BACKLOG: Final = 128
#: Seconds to wait when the system has no more sockets to give.
_ACCEPT_PAUSE: Final = 0.1


class Standing(Enum):
    """What a client is, when there is no place for another."""

    #: It has said nothing, but has hardly had the time.
    NEW = auto()
    #: It has said nothing for longer.
    SILENT = auto()
    #: It has not said yet what it wants, and who it is if that is asked for.
    ASKING = auto()
    SERVED = auto()
    #: It has had its last answer.
    LEAVING = auto()


class Served(ABC):
    """A client that is being served."""

    @property
    def standing(self) -> Standing:
        """What it is now; some are served as they come."""
        return Standing.SERVED

    @abstractmethod
    def close(self) -> None:
        """End it; ``gone`` is called soon, unless it has been."""


if TYPE_CHECKING:
    #: Serves a connection, which doesn't block; it calls its second argument when that is gone.
    Serve = Callable[[socket.socket, Callable[[], None]], Served]


class Listener:
    """Serves clients at TCP addresses: start(), then run() until cancelled."""

    def __init__(
        self, addresses: Sequence[tuple[str, int]], serve: Serve, max_clients: int
    ) -> None:
        """``serve`` gets each connection, ``max_clients`` at a time, whichever address it came to.

        A name stands for all addresses that it has.

        When one more comes, a client that isn't served is closed, or else the new one: the oldest
        that is silent, or the oldest of those that most others are like, so that a crowd pays for
        itself.
        """
        self._addresses = addresses
        self._serve = serve
        self._max_clients = max_clients
        self._sockets: list[socket.socket] = []
        self._accepting: list[Watch] = []
        #: In the order of their coming.
        self._clients: dict[Served, None] = {}
        self._gone = asyncio.Event()

    def start(self) -> str:
        """Listen; returns where, in words. Raises what cannot_listen() gives if it can't."""
        for host, port in self._addresses:
            try:
                self._sockets += at_each_address(host, port, _new_listener)
            except (OSError, OverflowError) as error:
                self.close()
                raise cannot_listen(format_host_port(host, port), error) from None
        return " and ".join(format_host_port(*address) for address in self.addresses)

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """Where it listens, with the actual ports; after start()."""
        return [(host, port) for host, port, *_ in (s.getsockname() for s in self._sockets)]

    @property
    def address(self) -> tuple[str, int]:
        """The first of them."""
        assert self._sockets, "start() comes first"
        return self.addresses[0]

    async def run(self) -> None:
        """Serve until cancelled; clients are closed then."""
        self._accept()
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            self.close()
            for client in list(self._clients):
                client.close()
            while self._clients:
                self._gone.clear()
                await self._gone.wait()

    def close(self) -> None:
        """Stop listening."""
        self._stop_accepting()
        for sock in self._sockets:
            sock.close()
        self._sockets.clear()

    def _accept(self) -> None:
        if not self._accepting:
            self._accepting = [
                reactor().accept(sock, self._take, self._on_failed) for sock in self._sockets
            ]

    def _stop_accepting(self) -> None:
        for each in self._accepting:
            each.close()
        self._accepting.clear()

    def _take(self, connection: socket.socket) -> None:
        """Serve one client, from accept to close."""
        if len(self._clients) >= self._max_clients and not self._make_room():
            connection.close()
            return
        client: Served | None = None
        is_gone = False

        def gone() -> None:
            nonlocal is_gone
            is_gone = True
            if client is not None:
                self._clients.pop(client, None)
                self._gone.set()

        try:
            set_up_stream(connection)
        except OSError as error:
            connection.close()
            log.debug("client gone: %s", describe(error))
            return
        client = self._serve(connection, gone)
        if not is_gone:
            self._clients[client] = None

    def close_one(self, wanted: Callable[[Served], bool]) -> None:
        """Have the oldest client go of those that are ``wanted``, if there is one."""
        found = next(filter(wanted, self._clients), None)
        if found is not None:
            found.close()

    def _make_room(self) -> bool:
        """Have a client go that isn't served; False if all are."""
        alike: dict[Standing, list[Served]] = {}
        for client in self._clients:
            alike.setdefault(client.standing, []).append(client)
        alike.pop(Standing.SERVED, None)
        crowd = alike.get(Standing.SILENT) or max(alike.values(), key=len, default=[])
        if not crowd:
            return False
        log.info("too many clients: one that was not being served was closed")
        crowd[0].close()
        return True

    def _on_failed(self, error: OSError) -> None:
        """Accepting one has failed."""
        if is_client_gone(error):
            return
        log.warning("accepting a client failed: %s", describe(error))
        if self._accepting:
            self._stop_accepting()
            asyncio.get_running_loop().call_later(_ACCEPT_PAUSE, self._accept)


def _new_listener(host: str, port: int) -> socket.socket:
    return new_listener(host, port, _BACKLOG)


class ServedByTask(Served):
    """A client that a coroutine serves."""

    def __init__(
        self,
        connection: socket.socket,
        serve: Callable[[socket.socket], Awaitable[None]],
        gone: Callable[[], None],
    ) -> None:
        """``serve`` may raise OSError; the connection is closed when it has ended."""
        self._task = asyncio.get_running_loop().create_task(self._run(connection, serve))

        def over(_: object) -> None:
            # Not in the task itself, which may be cancelled before it begins.
            connection.close()
            gone()

        self._task.add_done_callback(over)

    async def _run(
        self, connection: socket.socket, serve: Callable[[socket.socket], Awaitable[None]]
    ) -> None:
        try:
            await serve(connection)
        except OSError as error:
            log.debug("client gone: %s", describe(error))

    def close(self) -> None:
        """Cancel it."""
        self._task.cancel()
