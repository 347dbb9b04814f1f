"""One client of the guest's port, from its first byte to its end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Any

from vsocks.address import Target, ascii_name, encode_address, parse_address, parse_ip, target_of
from vsocks.errors import BusyError, NotSupportedError, SessionLostError
from vsocks.guest.connection import ClientConnection
from vsocks.guest.datagrams import ClientDatagrams
from vsocks.guest.forwarder import Forwarder
from vsocks.mux.relay import Relay
from vsocks.protocol.parcels import Topic
from vsocks.proxy.detect import Detector
from vsocks.proxy.http import HttpDialect
from vsocks.proxy.local import local_page
from vsocks.proxy.requests import (
    Bind,
    Connect,
    Forward,
    Refuse,
    Resolve,
    ResolveAddress,
    Send,
    ShowPage,
    UdpAssociate,
)
from vsocks.reply import Reply, words_for

if TYPE_CHECKING:
    import socket

    from vsocks.address import IPAddress
    from vsocks.guest.context import ClientContext
    from vsocks.mux.relay import IdleTimeouts
    from vsocks.proxy.requests import Dialect, Request

log = logging.getLogger(__name__)


class Client:
    """Finds out what a client wants, and does it."""

    def __init__(self, client: socket.socket, context: ClientContext) -> None:
        self._connection = ClientConnection(client)
        self._context = context
        self._greeting: Dialect = Detector(context.users, context.limits.max_head_size)
        self._forwarder = Forwarder(self._connection, context, self)
        #: How much of the leftover was taken, and whether the next HTTP request is on its way.
        self._taken = 0
        self._awaits_next = False

    async def serve(self) -> None:
        """All of it. Raises OSError when the client fails."""
        try:
            async with asyncio.timeout(self._context.limits.handshake):
                request = await self._read_request()
            while request is not None:
                request = await self._carry_out(request)
        finally:
            await self._connection.close()

    async def _carry_out(self, request: Request) -> Request | None:
        """Do what the client wants; returns what it wants next, if it can."""
        try:
            match request:
                case Forward(head):
                    following = await self._forwarder.serve(head)
                    if following is None:
                        await self._connection.send_last(b"")
                    return following
                case ShowPage(head):
                    here = target_of(self._connection.socket.getsockname())
                    page = local_page(head, self._context.status(here))
                    await self._connection.send_last(page)
                case Connect(target):
                    await self._connect(target)
                case Bind(target):
                    await self._bind(target)
                case UdpAssociate(source):
                    await self._associate(source)
                case Resolve(name):
                    await self._resolve(name)
                case ResolveAddress(ip):
                    await self._resolve_address(ip)
        except BusyError as error:
            await self._refuse(Reply.GENERAL_FAILURE, str(error), busy=True)
        except NotSupportedError as error:
            await self._refuse(Reply.COMMAND_NOT_SUPPORTED, str(error))
        except SessionLostError as error:
            log.debug("client lost: %s", error)
        return None

    async def _read_request(self, kept: bytes = b"") -> Request | None:
        """What the client wants, of which ``kept`` has come; None if it was refused or has left."""
        data = kept or await self._connection.read()
        while data:
            for event in self._greeting.receive(data):
                match event:
                    case Send(answer):
                        await self._connection.send(answer)
                    case Refuse(answer, reason):
                        log.info("client refused: %s", reason)
                        await self._connection.send_last(answer)
                        return None
                    case _:
                        return event
            data = await self._connection.read()
        return None

    # -- HTTP requests in a row ------------------------------------------------------------

    def take_leftover(self) -> bytes:
        """What has come behind the head of the request, and was not taken before."""
        leftover = self._greeting.leftover[self._taken :]
        self._taken += len(leftover)
        return leftover

    async def next(self, kept: bytes) -> Request | None:
        """The client's next HTTP request, of which ``kept`` is the beginning."""
        if not self._awaits_next:
            self._greeting = HttpDialect(self._context.users, self._context.limits.max_head_size)
            self._taken = 0
            self._awaits_next = True
        request = None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._context.limits.keep_alive):
                request = await self._read_request(kept)
        self._awaits_next = False
        return request

    # -- streams ---------------------------------------------------------------------------

    async def _connect(self, target: Target) -> None:
        async with Relay(
            self._context.switchboard, self._context.pool, self._idle_timeouts
        ) as relay:
            answer = relay.open(target, self._context.limits.answer)
            await self.wait(answer)
            await self._relay(relay, target, *answer.result())
            return
        await self._refuse(Reply.GENERAL_FAILURE, relay.aborted, busy=True)

    async def _bind(self, target: Target) -> None:
        limits = self._context.limits
        async with Relay(
            self._context.switchboard, self._context.pool, self._idle_timeouts
        ) as relay:
            answer = relay.open(target, limits.answer, listen=True)
            await self.wait(relay.listening, answer)
            if relay.listening.done():
                if not answer.done():
                    relay.answer_within(limits.arrival)
                await self._reply(Reply.SUCCEEDED, relay.listening.result())
                await self.wait(answer)
            await self._relay(relay, target, *answer.result())
            return
        await self._refuse(Reply.GENERAL_FAILURE, relay.aborted, busy=True)

    async def _relay(self, relay: Relay, target: Target, reply: int, bound: Target | None) -> None:
        if reply != Reply.SUCCEEDED:
            await self._refuse(reply, f"{target}: {words_for(reply)}")
            return
        log.debug("%s: connected", target)
        greeting = self._greeting.reply(Reply.SUCCEEDED, bound)
        connection = self._connection
        await relay.run(
            connection.socket, greeting, self._greeting.leftover, connection.unfinished_read()
        )

    @property
    def _idle_timeouts(self) -> IdleTimeouts:
        return self._context.limits.idle_timeouts

    # -- datagrams and questions -----------------------------------------------------------

    async def _associate(self, source: Target) -> None:
        async with ClientDatagrams(self._connection, source, self._context) as datagrams:
            try:
                async with asyncio.timeout(self._context.limits.answer):
                    await self.wait(datagrams.answer)
                reply = datagrams.answer.result()
            except TimeoutError:
                reply = Reply.TTL_EXPIRED
            if reply:
                await self._refuse(reply)
                return
            await self._reply(Reply.SUCCEEDED, datagrams.address)
            await datagrams.run()

    async def _resolve(self, name: str) -> None:
        if (ip := parse_ip(name)) is not None:
            await self._tell(Reply.SUCCEEDED, Target(str(ip), 0))
            return
        reply, told = await self._ask(Topic.ADDRESS_OF, name.encode("ascii"))
        parsed = _told_address(told) if not reply else None
        await self._tell(reply, parsed)

    async def _resolve_address(self, ip: IPAddress) -> None:
        reply, told = await self._ask(Topic.NAME_OF, encode_address(Target(str(ip), 0)))
        await self._tell(reply, _told_name(told) if not reply else None)

    async def _ask(self, topic: Topic, data: bytes) -> tuple[int, bytes]:
        try:
            return await self._context.questions.ask(topic, data, self._context.limits.answer)
        except TimeoutError:
            return Reply.TTL_EXPIRED, b""

    async def _tell(self, reply: int, bound: Target | None) -> None:
        """The answer to a question, after which there is nothing more to say."""
        if reply or bound is None:
            await self._refuse(reply or Reply.GENERAL_FAILURE)
        else:
            await self._connection.send_last(self._greeting.reply(reply, bound))

    # -- the client ------------------------------------------------------------------------

    async def wait(self, *awaited: asyncio.Future[Any]) -> None:
        """Wait until one is done, as long as the client stays; what it sends is kept."""
        await self._connection.wait_while_it_stays(*awaited, keep=self._keep)

    def _keep(self, data: bytes) -> bool:
        """Keep what the client sends ahead of the reply."""
        self._greeting.receive(data)
        return bool(self._greeting.leftover)

    async def _reply(self, reply: int, bound: Target | None) -> None:
        await self._connection.send(self._greeting.reply(reply, bound))

    async def _refuse(self, reply: int, reason: str = "", *, busy: bool = False) -> None:
        """Tell the client why not, if it can still be told."""
        if self._connection.socket.fileno() < 0 or self._greeting.is_answered:
            return
        log.debug("client refused (%d): %s", reply, reason or "the host says so")
        dialect = self._greeting.dialect if isinstance(self._greeting, Detector) else self._greeting
        if busy and isinstance(dialect, HttpDialect):
            answer = dialect.busy(reason)
        else:
            answer = self._greeting.reply(reply, None, reason)
        await self._connection.send_last(answer)


def _told_address(data: bytes) -> Target | None:
    try:
        parsed = parse_address(data)
    except ValueError:
        return None
    return parsed[0] if parsed is not None else None


def _told_name(data: bytes) -> Target | None:
    """A name as the host's resolver gave it, which may be anything."""
    try:
        return Target(ascii_name(data.decode("ascii")), 0)
    except ValueError:
        return None
