"""One client of the guest's port, from its first byte to its last."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any, Final

from vsocks.address import Target, ascii_name, encode_address, parse_address, parse_ip, target_of
from vsocks.aio.current import reactor
from vsocks.aio.listener import Served, Standing
from vsocks.errors import BusyError, NotSupportedError, describe
from vsocks.guest.client_socket import LeavingClient, WaitingClient
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
    import asyncio
    import socket
    from collections.abc import Callable, Coroutine

    from vsocks.address import IPAddress
    from vsocks.guest.context import ClientContext
    from vsocks.proxy.requests import Dialect, Request

log = logging.getLogger(__name__)

#: Seconds in which a client sends its first byte: programs do so at once.
_FIRST_BYTE: Final = 3.0
#: Seconds after which its silence is held against it.
_MOMENT: Final = 0.2
#: Bytes read at once while it is found out what the client wants.
_READ_SIZE: Final = 16 * 1024


class Client(Served):
    """Reads a client's request and carries it out; a SocketOwner while it reads.

    The client's socket passes from one owner to the next: from here to a WaitingClient while the
    host has not answered, then to a relay or the forwarder, and last to a LeavingClient.
    """

    def __init__(
        self, connection: socket.socket, context: ClientContext, gone: Callable[[], None]
    ) -> None:
        """``gone`` is called when the client is, maybe within this call."""
        self._context = context
        self._gone = gone
        self._socket = reactor().stream(connection, self)
        self._deadlines = reactor().deadlines
        self._buffer = memoryview(bytearray(_READ_SIZE))
        self._dialect: Dialect = Detector(context.users, context.limits.max_head_size)
        #: Where it wants to go, once it has said so.
        self._wanted = ""
        self._forwarder: Forwarder | None = None
        self._relay: Relay | None = None
        self._waiting: WaitingClient | None = None
        self._task: asyncio.Task[None] | None = None
        self._is_gone = False
        self._standing = Standing.NEW
        self._silent_at = reactor().loop.time() + _MOMENT
        self._deadlines.set(self, min(_FIRST_BYTE, context.limits.handshake), self._close)
        self._socket.read(self._buffer)
        try:
            # The first bytes are often there already.
            size = self._socket.read_more(self._buffer)
        except OSError as error:
            self.on_failed(error)
        else:
            if size:
                self._socket.stop_reading()
                self.on_read(size)

    def __repr__(self) -> str:
        return f"<Client {self._dialect!r} {self._relay or self._forwarder or self._socket!r}>"

    @property
    def standing(self) -> Standing:
        """Whether it has said what it wants, and is being served."""
        if self._standing is Standing.NEW and reactor().loop.time() >= self._silent_at:
            return Standing.SILENT
        return self._standing

    @property
    def has_left(self) -> bool:
        """Whether it sends no more, and its server sends nothing either."""
        return self._relay is not None and self._relay.is_left

    @property
    def _protocol(self) -> str:
        """What it speaks, for people."""
        return self._dialect.protocol if isinstance(self._dialect, Detector) else "HTTP"

    # -- requests --------------------------------------------------------------------------

    def on_read(self, size: int) -> None:
        """The client has sent something, or ended."""
        if not size:
            self._close()
            return
        if self._standing is Standing.NEW:
            self._standing = Standing.ASKING
            self._deadlines.set(self, self._context.limits.handshake, self._close)
        failures = self._context.users.failures
        for event in self._dialect.receive(bytes(self._buffer[:size])):
            match event:
                case Send(answer):
                    if not self._write(answer):
                        return
                case Refuse(answer, reason):
                    log.info("client refused: %s", reason)
                    self._context.board.refused(self._protocol, "", reason)
                    if self._context.users.failures > failures:
                        self._say_later(answer)
                    else:
                        self._say_last(answer)
                    return
                case _:
                    self._deadlines.clear(self)
                    self._standing = Standing.SERVED
                    self._socket.push_back(self._dialect.leftover)
                    self._carry_out(event)
                    return
        self._socket.read(self._buffer)

    def on_written(self) -> None:
        """Nothing to do: answers before the last are short, and written at once."""

    def on_failed(self, error: OSError) -> None:
        """The client has left."""
        log.debug("client gone: %s", describe(error))
        self._close()

    def _write(self, answer: bytes) -> bool:
        """Write a short answer; False if the client has left, or doesn't even read that."""
        try:
            written = self._socket.write(answer)
        except OSError as error:
            self.on_failed(error)
            return False
        if written < len(answer):
            self._close()
            return False
        return True

    def _carry_out(self, request: Request) -> None:
        """Carry out the client's request."""
        try:
            match request:
                case Forward(head):
                    if self._forwarder is None:
                        self._forwarder = Forwarder(self._socket, self._buffer, self._context, self)
                    self._forwarder.serve(head)
                case ShowPage(head):
                    here = target_of(self._socket.address)
                    status = self._context.board.status(here, self._socket.peer[0])
                    self._say_last(local_page(head, status))
                case Connect(target):
                    self._open(target)
                case Bind(target):
                    self._open(target, listen=True)
                case UdpAssociate(source):
                    self._wanted = "datagrams"
                    self._run(self._associate(source))
                case Resolve(name):
                    self._wanted = name
                    self._run(self._resolve(name))
                case ResolveAddress(ip):
                    self._wanted = str(ip)
                    self._run(self._resolve_address(ip))
        except BusyError as error:
            self._refuse(Reply.GENERAL_FAILURE, describe(error), busy=True)
        except NotSupportedError as error:
            self._refuse(Reply.COMMAND_NOT_SUPPORTED, describe(error))
        except OSError as error:
            self.on_failed(error)

    # -- HTTP requests in a row ------------------------------------------------------------

    def on_forwarded(self, *, client_stays: bool) -> None:
        """The forwarder has finished a request, and returns the socket."""
        if not client_stays:
            self._say_last(b"")
            return
        self._dialect = HttpDialect(self._context.users, self._context.limits.max_head_size)
        self._socket.owner = self
        self._standing = Standing.ASKING
        self._deadlines.set(self, self._context.limits.keep_alive, self._say_nothing_more)
        self._socket.read(self._buffer)

    def on_forward_failed(self, page: bytes) -> None:
        """The forwarder can't go on, and returns the socket; without a page, reset the client."""
        if page:
            self._say_last(page)
        else:
            self._close(reset=True)

    def _say_nothing_more(self) -> None:
        self._say_last(b"")

    # -- streams ---------------------------------------------------------------------------

    def _open(self, target: Target, *, listen: bool = False) -> None:
        """Have the host connect to ``target``, or wait for it to connect to the host."""
        context = self._context
        self._wanted = str(target)
        self._relay = relay = Relay(
            context.link, context.pool, context.limits.idle_timeouts, self._on_relay_over
        )
        relay.protocol = f"{self._protocol} BIND" if listen else self._protocol
        self._wait()

        def on_listening(bound: Target) -> None:
            relay.answer_within(context.limits.arrival)
            self._write(self._dialect.reply(Reply.SUCCEEDED, bound))

        def on_answer(reply: int, bound: Target | None) -> None:
            self._on_answer(target, reply, bound)

        relay.open(target, context.limits.answer, on_answer, on_listening if listen else None)

    def _on_answer(self, target: Target, reply: int, bound: Target | None) -> None:
        relay = self._relay
        if self._is_gone or relay is None:
            return
        self._stop_waiting()
        if reply != Reply.SUCCEEDED:
            self._relay = None
            self._refuse(reply, label=relay.label)
            return
        log.debug("%s %s: connected", relay.label, target)
        relay.run(self._socket, self._dialect.reply(Reply.SUCCEEDED, bound))

    def _on_relay_over(self, why: str) -> None:
        """The relay has ended, together with the socket or before it got it."""
        relay, self._relay = self._relay, None
        if relay is None:
            return
        log.debug("%s: closed%s", relay.label, f" ({why})" if why else "")
        if self._waiting is not None:
            self._refuse(Reply.GENERAL_FAILURE, why, busy=True)
        else:
            self._leave()

    # -- datagrams and questions -----------------------------------------------------------

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        """Start a task for what takes a while."""
        self._wait()
        self._task = self._context.tasks.start(self._guard(work))

    async def _guard(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except BusyError as error:
            self._refuse(Reply.GENERAL_FAILURE, describe(error), busy=True)
        except NotSupportedError as error:
            self._refuse(Reply.COMMAND_NOT_SUPPORTED, describe(error))
        except OSError as error:
            log.debug("client lost: %s", describe(error))
            self._close()

    async def _associate(self, source: Target) -> None:
        async with ClientDatagrams(self._socket, source, self._context) as datagrams:
            reply = await datagrams.answered()
            if reply:
                self._refuse(reply)
                return
            self._stop_waiting()
            if self._write(self._dialect.reply(Reply.SUCCEEDED, datagrams.address)):
                await datagrams.run(self._buffer)
        self._close()

    async def _resolve(self, name: str) -> None:
        if (ip := parse_ip(name)) is not None:
            self._tell(Reply.SUCCEEDED, Target(str(ip), 0))
            return
        reply, told = await self._ask(Topic.ADDRESS_OF, name.encode("ascii"))
        self._tell(reply, _told_address(told) if not reply else None)

    async def _resolve_address(self, ip: IPAddress) -> None:
        reply, told = await self._ask(Topic.NAME_OF, encode_address(Target(str(ip), 0)))
        self._tell(reply, _told_name(told) if not reply else None)

    async def _ask(self, topic: Topic, data: bytes) -> tuple[int, bytes]:
        try:
            return await self._context.questions.ask(topic, data, self._context.limits.answer)
        except TimeoutError:
            return Reply.TTL_EXPIRED, b""

    def _tell(self, reply: int, bound: Target | None) -> None:
        """Answer a look-up; nothing follows."""
        if reply or bound is None:
            self._refuse(reply or Reply.GENERAL_FAILURE)
        else:
            self._say_last(self._dialect.reply(reply, bound))

    # -- the client ------------------------------------------------------------------------

    def _wait(self) -> None:
        """Wait for the host's answer while the client stays."""
        self._waiting = WaitingClient(
            self._socket, self._buffer, self._close, has_sent=bool(self._dialect.leftover)
        )

    def _stop_waiting(self) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting.stop()
            self._socket.owner = self

    def _refuse(
        self, reply: int, reason: str = "", *, busy: bool = False, label: str = "-"
    ) -> None:
        """Tell the client why not, if it can still be told."""
        if self._is_gone:
            return
        if self._dialect.is_answered:
            self._close()
            return
        why = reason or words_for(reply)
        wanted = self._wanted or (self._forwarder.wanted if self._forwarder is not None else "")
        log.debug("%s client refused (%d): %s: %s", label, reply, wanted or "-", why)
        self._context.board.refused(self._protocol, wanted, why)
        dialect = self._dialect.dialect if isinstance(self._dialect, Detector) else self._dialect
        if busy and isinstance(dialect, HttpDialect):
            self._say_last(dialect.busy(reason))
        else:
            self._say_last(self._dialect.reply(reply, None, reason or f"{wanted}: {why}"))

    def _say_last(self, answer: bytes) -> None:
        """Send the client its last answer, and give it a moment to read it."""
        if self._is_gone:
            return
        self._let_go()
        self._standing = Standing.LEAVING
        LeavingClient(self._socket, self._buffer, answer, self._leave)

    def _say_later(self, answer: bytes) -> None:
        """The password was wrong: the next guess takes longer."""
        wait = self._context.guesses.wait(time.monotonic())
        self._deadlines.set(self, wait, lambda: self._say_last(answer))

    def close(self) -> None:
        """The daemon ends."""
        self._close(reset=True)

    def _close(self, *, reset: bool = False) -> None:
        self._let_go()
        relay, self._relay = self._relay, None
        if relay is not None:
            relay.abort("the client has left")
        self._socket.close(reset=reset)
        if self._task is not None:
            self._task.cancel()
        self._leave()

    def _let_go(self) -> None:
        """Release everything but the socket."""
        self._deadlines.clear(self)
        self._stop_waiting()
        if self._forwarder is not None:
            self._forwarder.close()

    def _leave(self) -> None:
        if not self._is_gone:
            self._is_gone = True
            self._gone()


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
