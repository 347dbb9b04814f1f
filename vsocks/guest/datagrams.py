"""A client's datagrams (SOCKS5 UDP ASSOCIATE): its socket on one side, an association on the other.

The association is the client's as long as its TCP connection stands (RFC 1928, section 6).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Any, Self

from vsocks.address import Target, target_of
from vsocks.aio.datagram_socket import bound_socket, receive_each
from vsocks.aio.tasks import run_until_first_ends
from vsocks.mux.owned_stream import give_back
from vsocks.proxy.udp import ClientLock, Malformed, encode_header, parse_datagram

if TYPE_CHECKING:
    import socket

    from vsocks.guest.connection import ClientConnection
    from vsocks.guest.context import ClientContext

log = logging.getLogger(__name__)


class ClientDatagrams:
    """Use it as a context: entering asks the host, run() relays until it is over.

    Entering raises BusyError and NotSupportedError, as GuestAssociations.begin() does, and OSError.
    """

    def __init__(self, connection: ClientConnection, said: Target, context: ClientContext) -> None:
        """``connection`` is the client's, ``said`` where it says that it sends from."""
        self._connection = connection
        self._context = context
        self._loop = asyncio.get_running_loop()
        self._lock = ClientLock(connection.socket.getpeername()[0], said)
        self._slot = context.pool.take()
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
            await give_back(self._context.pool, self._slot)
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        self._context.associations.end(self._association)
        self._socket.close()
        log.debug("datagrams: %d passed on, %d dropped", self._passed, self._dropped)
        await give_back(self._context.pool, self._slot, self._socket)

    @property
    def answer(self) -> asyncio.Future[int]:
        """The host's reply."""
        return self._association.answer

    @property
    def address(self) -> Target:
        """Where the client sends its datagrams."""
        return target_of(self._socket.getsockname())

    async def run(self) -> None:
        """Relay until the client or the host ends it, or nothing has moved for long."""
        await run_until_first_ends(
            receive_each(self._socket, self._slot.outbound, self._pass_on),
            self._wait_for_end(),
            self._wait_for_host(),
            self._watch(),
        )

    def _bind(self) -> socket.socket:
        """A socket for datagrams where the client has found us."""
        client = self._connection.socket
        ours = client.getsockname()
        return bound_socket(client.family, (ours[0], 0, *ours[2:]))

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

    # -- endings ---------------------------------------------------------------------------

    async def _wait_for_end(self) -> None:
        """Until the client ends its TCP connection; what it says there means nothing."""
        with contextlib.suppress(OSError):
            while True:
                if not await self._connection.read():
                    return
                await asyncio.sleep(0)

    async def _wait_for_host(self) -> None:
        await asyncio.shield(self._association.over)

    async def _watch(self) -> None:
        passed_before = -1
        while self._passed != passed_before:
            passed_before = self._passed
            await asyncio.sleep(self._context.limits.udp_idle)
        log.debug("datagrams: silent for too long")
