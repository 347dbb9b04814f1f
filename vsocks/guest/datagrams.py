"""A client's datagrams (SOCKS5 UDP ASSOCIATE): a socket on one side, an association on the other.

The association lasts as long as the client's TCP connection (RFC 1928, section 6).
"""

from __future__ import annotations

import asyncio
import logging
import socket
from typing import TYPE_CHECKING, Any, Final, Self

from vsocks.address import Target, target_of
from vsocks.aio import pending_io
from vsocks.aio.current import reactor
from vsocks.aio.socket_options import bound_datagram_socket
from vsocks.aio.socket_user import users_of
from vsocks.proxy.udp import ClientLock, Malformed, encode_header, parse_datagram
from vsocks.reply import Reply
from vsocks.token_bucket import TokenBucket

if TYPE_CHECKING:
    from collections.abc import Callable

    from vsocks.aio.reactor import StreamSocket, Watch
    from vsocks.guest.context import ClientContext

log = logging.getLogger(__name__)

#: Seconds that the system may take to end what was cancelled.
_LAST_OPERATIONS: Final = 5.0
#: How often it is looked up whose a datagram is, before the first of the client's own: somebody
#: who sends many must not keep us busy; and how many of these are known again.
_LOOKS_PER_SECOND: Final = 20
_OTHERS: Final = 64
_ROOT: Final = 0


class _Sender:
    """Knows whether a datagram comes from the user who has the client's TCP connection.

    Else another user of this machine could take the association by sending first. Windows doesn't
    tell, nor does anything of clients on other machines: then everybody is the same.
    """

    def __init__(self, client: StreamSocket, ours: Callable[[], tuple[Any, ...]]) -> None:
        """``ours`` gives the address where the datagrams come."""
        self._users = users_of(socket.SOCK_STREAM, client.peer, client.address)
        self._ours = ours
        self._looks = TokenBucket(_LOOKS_PER_SECOND)
        #: Those who are somebody else, while there are few of them: the looks are the client's.
        self._others: set[tuple[str, int]] = set()

    def is_same_user(self, host: str, port: int) -> bool:
        if not self._users:
            return True
        if (host, port) in self._others or not self._looks.take(now=reactor().loop.time()):
            return False
        users = users_of(socket.SOCK_DGRAM, (host, port), self._ours())
        is_same = users is None or (bool(users) and users <= self._users | {_ROOT})
        if not is_same and len(self._others) < _OTHERS:
            self._others.add((host, port))
        return is_same


class ClientDatagrams:
    """A context manager: entering asks the host for an association, run() relays until it ends.

    Entering raises BusyError and NotSupportedError as GuestAssociations.begin() does, and OSError.
    """

    def __init__(self, client: StreamSocket, said: Target, context: ClientContext) -> None:
        """``client`` is its TCP connection, ``said`` the address it claims to send from."""
        self._client = client
        self._context = context
        self._lock = ClientLock(client.peer[0], said, _Sender(client, self._here).is_same_user)
        self._buffers = context.pool.take()
        self._receiving: Watch | None = None
        self._over = asyncio.Event()
        #: Datagrams of the client that were not sent, and of the host that it didn't take.
        self._dropped = 0
        self._passed = 0

    async def __aenter__(self) -> Self:
        try:
            self._association = self._context.associations.begin(self._on_datagram)
            try:
                self._socket = self._bind()
            except OSError:
                self._context.associations.end(self._association)
                raise
        except BaseException:
            self._context.pool.give_back(self._buffers)
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        self._context.associations.end(self._association)
        if self._receiving is not None:
            self._receiving.close()
        self._socket.close()
        log.debug("datagrams: %d passed on, %d dropped", self._passed, self._dropped)
        if await pending_io.have_ended(self._socket, within=_LAST_OPERATIONS):
            self._context.pool.give_back(self._buffers)

    async def answered(self) -> int:
        """The host's reply; TTL_EXPIRED if none came in time."""
        try:
            async with asyncio.timeout(self._context.limits.answer):
                return await self._association.answer
        except TimeoutError:
            return Reply.TTL_EXPIRED

    @property
    def address(self) -> Target:
        """Where the client sends its datagrams."""
        return target_of(self._here())

    async def run(self, buffer: memoryview) -> None:
        """Relay until the client or the host ends it, or it has been idle for too long.

        What the client sends on its TCP connection is ignored; it is read into ``buffer``.
        """
        self._buffer = buffer
        self._client.owner = self
        self._client.read(buffer)
        self._association.over.add_done_callback(lambda _: self._over.set())
        self._receiving = reactor().receive(self._socket, self._buffers.outbound, self._pass_on)
        passed_before = -1
        while self._passed != passed_before:
            passed_before = self._passed
            try:
                async with asyncio.timeout(self._context.limits.udp_idle):
                    await self._over.wait()
            except TimeoutError:
                continue
            return
        log.debug("datagrams: silent for too long")

    def _bind(self) -> socket.socket:
        """A datagram socket at the address to which the client has connected."""
        ours = self._client.address
        return bound_datagram_socket(self._client.family, (ours[0], 0, *ours[2:]))

    def _here(self) -> tuple[Any, ...]:
        return self._socket.getsockname()  # type: ignore[no-any-return]

    # -- the client's connection -----------------------------------------------------------

    def on_read(self, size: int) -> None:
        """Until it ends."""
        if size:
            self._client.read(self._buffer)
        else:
            self._over.set()

    def on_written(self) -> None:
        """Nothing is written here."""

    def on_failed(self, _error: OSError) -> None:
        """It is the end, too."""
        self._over.set()

    # -- towards the host ------------------------------------------------------------------

    def _pass_on(self, datagram: memoryview, source: Any) -> None:
        parsed = parse_datagram(datagram)
        if isinstance(parsed, Malformed) or not self._lock.admits(*source[:2]):
            self._dropped += 1
            return
        target, data = parsed
        self._count(passed=self._context.associations.send(self._association, target, data))

    # -- towards the client ----------------------------------------------------------------

    def _on_datagram(self, source: Target, data: memoryview) -> None:
        client = self._lock.address
        if client is None:
            self._dropped += 1
            return
        try:
            self._socket.sendto(b"".join((encode_header(source), data)), client)
        except OSError:
            self._count(passed=False)
        else:
            self._count(passed=True)

    def _count(self, *, passed: bool) -> None:
        if passed:
            self._passed += 1
        else:
            self._dropped += 1
