"""HTTP requests that are passed on: one after the other on the client's connection.

Each goes to its server by a stream of its own, or by that of the one before if it goes to the
same server and both sides keep their connections.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import socket
from typing import TYPE_CHECKING, Any, Final

from vsocks.aio.tasks import cancel
from vsocks.http1.errors import HttpError
from vsocks.http1.exchange import Exchange
from vsocks.mux.byte_stream import Conduit
from vsocks.mux.relay import reset_on_close
from vsocks.proxy.pages import exchange_failure, status_for
from vsocks.proxy.requests import Forward
from vsocks.reply import words_for

if TYPE_CHECKING:
    from collections.abc import Awaitable, Coroutine
    from typing import Protocol

    from vsocks.guest.connection import ClientConnection
    from vsocks.guest.context import ClientContext
    from vsocks.http1.head import RequestHead
    from vsocks.proxy.requests import Request

    class Requests(Protocol):
        """The requests of a client, as they come."""

        def wait(self, awaited: asyncio.Future[Any]) -> Awaitable[None]:
            """Wait for something, as long as the client stays; what it sends is kept."""
            ...

        def take_leftover(self) -> bytes:
            """What has come behind the head of the request, and was not taken before."""
            ...

        def next(self, kept: bytes) -> Awaitable[Request | None]:
            """The next request, of which ``kept`` is the beginning; None if there is none.

            May be called again after it was cancelled.
            """
            ...


log = logging.getLogger(__name__)

#: Bytes up to which to copy is cheaper than to write one more time.
_JOINED_SIZE: Final = 16 * 1024


class Forwarder:
    """Passes on a client's requests."""

    def __init__(
        self, connection: ClientConnection, context: ClientContext, requests: Requests
    ) -> None:
        self._connection = connection
        self._context = context
        self._requests = requests
        #: What the client has sent, and nobody has looked at.
        self._kept = b""
        self._client_ended = False
        #: How long the server may be silent, while it is waited for.
        self._patience: asyncio.Timeout | None = None
        #: The request that is under way, and whether it goes where one has gone before.
        self._request: Forward | None = None
        self._exchange: Exchange | None = None
        self._is_reused = False

    async def serve(self, head: RequestHead) -> Request | None:
        """Pass on the request of ``head``, and those that follow.

        Returns the first of another kind; None if there are no more. Raises OSError if the
        client fails, BusyError if there is nothing to serve it with.
        """
        request: Request | None = Forward(head)
        while isinstance(request, Forward):
            self._kept += self._requests.take_leftover()
            request = await self._by_one_server(request)
        return request

    def _begin(self, request: Forward, *, reused: bool) -> Exchange:
        self._request, self._is_reused = request, reused
        self._exchange = Exchange(request.head, self._context.limits.max_head_size)
        return self._exchange

    async def _by_one_server(self, request: Forward) -> Request | None:
        """Pass on requests as long as they go to one server; returns the next, if there is one."""
        context = self._context
        exchange = self._begin(request, reused=False)
        # The request after the last one, once it is known that there is one, or none.
        following: list[Request | None] = []
        async with Conduit(context.switchboard, context.pool) as conduit:
            answer = conduit.open(exchange.target, context.limits.answer)
            await self._requests.wait(answer)
            self._kept += self._requests.take_leftover()
            reply, _ = answer.result()
            if reply:
                reason = f"{exchange.target}: {words_for(reply)}"
                await self._fail(exchange, status_for(reply), reason)
                return None
            log.debug("%s: connected", exchange.target)
            following.append(await self._exchanges(conduit, exchange))
            if self._exchange is None:
                # Else the last one failed: the server must not take a part of it for the whole.
                await conduit.finish()
            return following[0]
        if following:
            return following[0]
        return await self._go_on_without_server(conduit.aborted)

    async def _exchanges(self, conduit: Conduit, exchange: Exchange) -> Request | None:
        while True:
            try:
                await self._pass_on(conduit, exchange)
            except HttpError as error:
                return await self._repeat_or_fail(exchange, error.status, error.reason)
            request = await self._after(exchange)
            if not isinstance(request, Forward):
                return request
            target, stays = exchange.target, exchange.server_stays and conduit.is_quiet
            exchange = self._begin(request, reused=True)
            if not stays or exchange.target != target:
                self._exchange = None
                return request
            self._kept += self._requests.take_leftover()

    async def _after(self, exchange: Exchange) -> Request | None:
        """The next request, when the client has its response to this one; None if it has none."""
        self._exchange = None
        if not exchange.client_stays or self._client_ended:
            return None
        return await self._next()

    async def _next(self) -> Request | None:
        kept, self._kept = self._kept, b""
        return await self._requests.next(kept)

    # -- one request -----------------------------------------------------------------------

    async def _pass_on(self, conduit: Conduit, exchange: Exchange) -> None:
        """One request and its response. Raises HttpError, and OSError if the client fails."""
        await conduit.send(memoryview(exchange.request))
        loop = asyncio.get_running_loop()
        up = loop.create_task(self._pass_up(conduit, exchange))
        down = loop.create_task(self._pass_down(conduit, exchange))
        try:
            await asyncio.wait({up, down}, return_when=asyncio.FIRST_COMPLETED)
            if not down.done() and up.exception() is None:
                await asyncio.wait({down})
        finally:
            await cancel(up, down)
        for task in (up, down):
            if not task.cancelled():
                task.result()
        if exchange.is_tunnel:
            if not conduit.has_sent:
                raise HttpError(502, "the server has left HTTP before it had the request")
            await self._tunnel(conduit, exchange)

    async def _pass_up(self, conduit: Conduit, exchange: Exchange) -> None:
        """From the client to the server; then see whether the client leaves."""
        while not exchange.is_request_complete:
            if not self._kept:
                self._kept = await self._connection.read()
            if not self._kept:
                exchange.client_ended()
            data = memoryview(self._kept)
            pieces, used = exchange.from_client(data)
            # Before it is sent: the response may come meanwhile, and the next request's turn.
            self._kept = self._kept[used:]
            for piece in pieces:
                await conduit.send(memoryview(piece))
        if not self._kept:
            self._kept = await self._connection.read()
            if not self._kept:
                self._end_client()
                exchange.client_ended()
                conduit.end()

    async def _pass_down(self, conduit: Conduit, exchange: Exchange) -> None:
        """From the server to the client."""
        while not (exchange.is_complete or exchange.is_tunnel):
            data = await self._received(conduit)
            if not data:
                exchange.server_ended()
                continue
            pieces, used = exchange.from_server(data)
            for piece in _joined(pieces):
                await self._connection.send(piece)
            conduit.consumed(used)

    async def _received(self, conduit: Conduit) -> memoryview:
        """What the server sends next; a client that has ended doesn't wait for it as long."""
        idle_timeouts = self._context.limits.idle_timeouts
        seconds = idle_timeouts.half_closed if self._client_ended else idle_timeouts.idle
        try:
            async with asyncio.timeout(seconds) as self._patience:
                return await conduit.receive()
        except TimeoutError:
            raise HttpError(504, "the server was silent for too long") from None
        finally:
            self._patience = None

    def _end_client(self) -> None:
        """The client sends no more: maybe it has left."""
        self._client_ended = True
        if self._patience is not None:
            seconds = self._context.limits.idle_timeouts.half_closed
            self._patience.reschedule(asyncio.get_running_loop().time() + seconds)

    # -- an upgrade ------------------------------------------------------------------------

    async def _tunnel(self, conduit: Conduit, exchange: Exchange) -> None:
        """Both sides speak another protocol now: whatever comes, until both have ended."""
        await _both(self._tunnel_up(conduit, exchange), self._tunnel_down(conduit, exchange))

    async def _tunnel_up(self, conduit: Conduit, exchange: Exchange) -> None:
        while not self._client_ended:
            data = self._kept or await self._connection.read()
            self._kept = b""
            if not data:
                self._end_client()
            await conduit.send(memoryview(data))
        with contextlib.suppress(HttpError):
            exchange.client_ended()
        conduit.end()

    async def _tunnel_down(self, conduit: Conduit, exchange: Exchange) -> None:
        while data := await self._received(conduit):
            await self._connection.send(data)
            conduit.consumed(len(data))
        exchange.server_ended()
        with contextlib.suppress(OSError):
            self._connection.socket.shutdown(socket.SHUT_WR)

    # -- failures --------------------------------------------------------------------------

    async def _go_on_without_server(self, reason: str) -> Request | None:
        """The stream was reset, or the session lost; the client may know nothing of it."""
        if self._exchange is None:
            return await self._next()
        if self._exchange.is_complete:
            return await self._after(self._exchange)
        return await self._repeat_or_fail(self._exchange, 502, reason)

    async def _repeat_or_fail(self, exchange: Exchange, status: int, reason: str) -> Request | None:
        if self._is_reused and exchange.is_repeatable:
            # A server may end its connection just when the next request is on its way.
            return self._request
        await self._fail(exchange, status, reason)
        return None

    async def _fail(self, exchange: Exchange, status: int, reason: str) -> None:
        """Tell the client by a page, the last that it gets.

        Raises ConnectionResetError if it has a part of the response: it is reset then.
        """
        log.debug("%s: failed (%d): %s", exchange.target, status, reason)
        page = exchange_failure(exchange, status, reason)
        if not page:
            # By an orderly end it might take what it has for the whole.
            reset_on_close(self._connection.socket)
            raise ConnectionResetError(errno.ECONNRESET, reason)
        await self._connection.send_last(page)


def _joined(pieces: list[bytes | memoryview]) -> list[bytes | memoryview]:
    """The same bytes in one piece if they are few: a head and a short body cost one write."""
    if len(pieces) < 2 or sum(map(len, pieces)) > _JOINED_SIZE:
        return pieces
    return [b"".join(pieces)]


async def _both(*coroutines: Coroutine[Any, Any, None]) -> None:
    """Run them until all have ended, or one has failed."""
    tasks = [asyncio.ensure_future(coroutine) for coroutine in coroutines]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
    finally:
        await cancel(*tasks)
    for task in tasks:
        if not task.cancelled():
            task.result()
