"""The guest daemon: SOCKS clients come in at a listening port, their streams go to the host."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import socket
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from vsocks.endpoint import EndpointConfig
from vsocks.errors import BusyError, SessionLostError, UsageError
from vsocks.handshake import Offer, Role
from vsocks.link import Link
from vsocks.pool import Pool
from vsocks.proxy.requests import Connect, Refuse, Send
from vsocks.proxy.socks5 import Handshake
from vsocks.relay import Relay
from vsocks.reply import Reply
from vsocks.tasks import cancel, run_until_first_ends

if TYPE_CHECKING:
    from vsocks.address import Target
    from vsocks.channel import ChannelSource
    from vsocks.endpoint import Wire
    from vsocks.relay import Answer
    from vsocks.streams import Stream

log = logging.getLogger(__name__)

#: A handshake is never longer than this.
_HANDSHAKE_SIZE: Final = 4096
_BACKLOG: Final = 128
#: Clients in their handshake beyond those that have a stream.
_MORE_CLIENTS: Final = 64
#: Seconds to wait when the system has no more sockets to give.
_ACCEPT_PAUSE: Final = 0.1
#: Windows' ways to say that a client left before it was accepted (python/cpython#93821):
#: ERROR_UNEXP_NET_ERR, ERROR_NETNAME_DELETED, ERROR_SEM_TIMEOUT, ERROR_CONNECTION_ABORTED,
#: WSAECONNRESET, WSAENOTCONN.
_CLIENT_GONE: Final = frozenset({59, 64, 121, 1236, 10054, 10057})
_LINGER: Final = 1.0
#: Seconds to wait for the host before looking whether the client is still there.
_PATIENCE: Final = 0.3


@dataclass(frozen=True, slots=True)
class GuestConfig:
    """What the guest daemon is to do."""

    wire: Wire
    #: Where SOCKS clients connect.
    listen: tuple[str, int] = ("127.0.0.1", 1080)
    #: Connections at once.
    max_streams: int = 64
    offer: Offer = field(default_factory=Offer)
    #: Seconds that a client may take to say what it wants.
    handshake_timeout: float = 10.0
    #: Seconds that the host may take to answer.
    answer_timeout: float = 60.0
    #: Seconds that a half-closed connection may be silent.
    half_close_timeout: float = 300.0


class Guest:
    """The daemon: start(), then run() until cancelled."""

    def __init__(self, config: GuestConfig, source: ChannelSource) -> None:
        self._config = config
        self._source = source
        self._pool = Pool(config.max_streams, config.offer.window)
        endpoint = EndpointConfig(Role.GUEST, config.offer, config.wire)
        self._link = Link(source, endpoint, _refuse_open)
        self._listener: socket.socket | None = None
        self._clients: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Listen. Raises UsageError if the address can't be had, ChannelError likewise."""
        host, port = self._config.listen
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            self._listener = socket.create_server((host, port), family=family, backlog=_BACKLOG)
        except (OSError, OverflowError) as error:
            raise UsageError(f"can't listen on {_show(host, port)}: {_why(error)}") from None
        self._listener.setblocking(False)
        await self._source.start()
        log.info("listening on %s", _show(*self._listener.getsockname()[:2]))

    async def run(self) -> None:
        """Serve until cancelled; clients are reset then."""
        assert self._listener is not None, "start() comes first"
        asyncio.get_running_loop().set_exception_handler(_on_stray_error)
        try:
            await run_until_first_ends(self._link.run(), self._accept(self._listener))
        finally:
            self._listener.close()
            await cancel(*self._clients)

    async def goodbye(self) -> None:
        """Tell the host that the daemon ends."""
        await self._link.goodbye()

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                client, _ = await loop.sock_accept(listener)
            except OSError as error:
                if _is_client_gone(error):
                    continue
                log.warning("accepting a client failed: %s", _why(error))
                await asyncio.sleep(_ACCEPT_PAUSE)
                continue
            if len(self._clients) >= self._config.max_streams + _MORE_CLIENTS:
                client.close()
                continue
            task = loop.create_task(self._serve(client))
            self._clients.add(task)
            task.add_done_callback(self._clients.discard)

    async def _serve(self, client: socket.socket) -> None:
        """One client, from its greeting to its end."""
        with client:
            try:
                client.setblocking(False)
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                handshake = Handshake()
                target = await self._negotiate(client, handshake)
                if target is not None:
                    await self._connect(client, handshake, target)
            except (OSError, SessionLostError) as error:
                log.debug("client gone: %s", _why(error))

    async def _negotiate(self, client: socket.socket, handshake: Handshake) -> Target | None:
        """Go through the handshake; returns what the client wants, None if it was refused."""
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(self._config.handshake_timeout):
            while data := await loop.sock_recv(client, _HANDSHAKE_SIZE):
                for event in handshake.receive(data):
                    match event:
                        case Send(answer):
                            await loop.sock_sendall(client, answer)
                        case Connect(target):
                            return target
                        case Refuse(answer, reason):
                            log.info("client refused: %s", reason)
                            await _send_last(client, answer)
                            return None
        return None

    async def _connect(self, client: socket.socket, handshake: Handshake, target: Target) -> None:
        try:
            relay = Relay(self._link, self._pool, self._config.half_close_timeout)
        except BusyError as error:
            await self._refuse(client, handshake, target, Reply.GENERAL_FAILURE, str(error))
            return
        async with relay:
            reply, bound, reason = await self._ask(client, handshake, relay, target)
            if reply == Reply.SUCCEEDED:
                log.debug("%s: connected", target)
                greeting = handshake.reply(Reply.SUCCEEDED, bound)
                await relay.run(client, greeting, handshake.leftover)
            else:
                await self._refuse(client, handshake, target, reply, reason)
            return
        await self._refuse(client, handshake, target, Reply.GENERAL_FAILURE, relay.aborted)

    async def _ask(
        self, client: socket.socket, handshake: Handshake, relay: Relay, target: Target
    ) -> tuple[int, Target | None, str]:
        """The host's reply, its own address on the connection, and why if it is bad."""
        try:
            opening = relay.open(target, self._config.answer_timeout)
        except BusyError as error:
            return Reply.GENERAL_FAILURE, None, str(error)
        return *await self._answer(client, handshake, opening), "the host says so"

    async def _answer(
        self, client: socket.socket, handshake: Handshake, opening: asyncio.Future[Answer]
    ) -> Answer:
        """The host's answer; raises ConnectionResetError if the client doesn't wait for it.

        A client that has sent data ahead of the reply may end its side and still be there.
        """
        await asyncio.wait({opening}, timeout=_PATIENCE)
        if opening.done():
            return opening.result()
        loop = asyncio.get_running_loop()
        reading = loop.create_task(loop.sock_recv(client, _HANDSHAKE_SIZE))
        try:
            waiting: set[asyncio.Future[Any]] = {opening, reading}
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            if reading.done():
                if not reading.result() and not handshake.leftover:
                    raise ConnectionResetError(errno.ECONNRESET, "the client has left")
                handshake.receive(reading.result())
            return await opening
        finally:
            await cancel(reading)

    async def _refuse(
        self,
        client: socket.socket,
        handshake: Handshake,
        target: Target,
        reply: int,
        reason: str,
    ) -> None:
        if client.fileno() < 0 or handshake.is_answered:
            return
        code = Reply(reply) if reply <= max(Reply) else Reply.GENERAL_FAILURE
        log.debug("%s: refused (%d): %s", target, code, reason)
        await _send_last(client, handshake.reply(code))


def _refuse_open(stream: Stream, target: Target) -> Reply:
    """The host has no streams to open here."""
    log.debug("stream %d to %s: the host may not open streams", stream.id, target)
    return Reply.NOT_ALLOWED


def _is_client_gone(error: object) -> bool:
    return getattr(error, "winerror", None) in _CLIENT_GONE


def _on_stray_error(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Leave out what asyncio says of a failed accept a second time, by a task of its own."""
    if not _is_client_gone(context.get("exception")):
        loop.default_exception_handler(context)


async def _send_last(client: socket.socket, data: bytes) -> None:
    """Send ``data`` and close so that the client gets it.

    A socket that is closed with unread bytes is reset, and the reset may overtake the data;
    so what the client still sends is read for a moment.
    """
    loop = asyncio.get_running_loop()
    with contextlib.suppress(OSError):
        async with asyncio.timeout(_LINGER):
            await loop.sock_sendall(client, data)
            client.shutdown(socket.SHUT_WR)
            while await loop.sock_recv(client, _HANDSHAKE_SIZE):
                pass


def _show(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _why(error: BaseException) -> str:
    if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
        return "the port is in use"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
