"""DNS for programs that know no proxy: a nameserver whose answers come from the host.

Queries and answers pass unchanged; failures become DNS errors.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from vsocks.address import format_host_port
from vsocks.aio.cannot_listen import cannot_listen
from vsocks.aio.current import reactor
from vsocks.aio.dns_tcp import receive_message, send_message
from vsocks.aio.listener import Listener, ServedByTask
from vsocks.aio.socket_options import answering_datagram_socket, at_each_address
from vsocks.aio.tasks import Tasks
from vsocks.dns_message import (
    MAX_MESSAGE,
    Query,
    Rcode,
    error_answer,
    fitted,
    is_answer_to,
    read_query,
)
from vsocks.errors import VsocksError, describe

if TYPE_CHECKING:
    import socket

    from vsocks.aio.reactor import Watch

log = logging.getLogger(__name__)

#: Gives the answer to a query; raises VsocksError or OSError (TimeoutError is one).
Ask = Callable[[bytes], Awaitable[bytes]]

#: Ports to try when any will do: one that is free for UDP may be taken for TCP.
_TRIES: Final = 20


@dataclass(frozen=True, slots=True)
class DnsLimits:
    """Limits of the listener."""

    #: Queries that wait for their answer at once. One more by UDP is dropped: its sender tries
    #: again. One more by TCP is answered with SERVFAIL.
    queries: int = 64
    #: TCP connections at once; one more is closed.
    clients: int = 16
    #: Seconds that the host may take for an answer.
    answer_timeout: float = 5.0
    #: Seconds that a TCP client may take for its next query, or to read an answer.
    idle_timeout: float = 10.0


class DnsListener:
    """Answers DNS queries at an address, by UDP and TCP: start(), then run() until cancelled."""

    def __init__(self, address: tuple[str, int], ask: Ask, limits: DnsLimits | None = None) -> None:
        self._wanted = address
        self._ask = ask
        self._limits = limits or DnsLimits()
        self._udp: list[socket.socket] = []
        self._tcp: Listener | None = None
        self._pending = 0
        self._tasks = Tasks()

    @property
    def address(self) -> tuple[str, int]:
        """The first address where it listens, with the actual port; after start()."""
        assert self._udp, "start() comes first"
        host, port = self._udp[0].getsockname()[:2]
        return host, port

    def start(self) -> None:
        """Take the port, for UDP and TCP. Raises VsocksError if it can't be had."""
        for _ in range(_TRIES if self._wanted[1] == 0 else 1):
            self._udp = _bound_sockets(*self._wanted)
            self._tcp = Listener(
                [(self._wanted[0], self.address[1])],
                lambda client, gone: ServedByTask(client, self._serve, gone),
                self._limits.clients,
            )
            try:
                where = self._tcp.start()
            except VsocksError as error:
                self.close()
                refusal = error
                continue
            log.info("listening for DNS on %s", where)
            return
        raise refusal

    async def run(self) -> None:
        """Answer until cancelled."""
        assert self._tcp is not None, "start() comes first"
        receiving = [self._receive(sock) for sock in self._udp]
        try:
            await self._tcp.run()
        finally:
            for each in receiving:
                each.close()
            self.close()
            await self._tasks.cancel()

    def close(self) -> None:
        """Stop listening; for a listener that isn't run."""
        for sock in self._udp:
            sock.close()
        self._udp = []
        if self._tcp is not None:
            self._tcp.close()

    def _receive(self, sock: socket.socket) -> Watch:
        """Receive queries by UDP."""

        def take(query: memoryview, client: Any) -> None:
            self._take(sock, bytes(query), client)

        # Each begins a task, which wants its turn.
        return reactor().receive(sock, memoryview(bytearray(MAX_MESSAGE)), take, in_a_row=1)

    def _take(self, sock: socket.socket, data: bytes, client: Any) -> None:
        """Begin to answer a datagram."""
        query = read_query(data)
        if isinstance(query, Rcode):
            _send_datagram(sock, error_answer(data, query), client)
        elif query is not None and self._pending < self._limits.queries:
            self._tasks.start(self._answer_datagram(sock, data, query, client))

    async def _answer_datagram(
        self, sock: socket.socket, data: bytes, query: Query, client: Any
    ) -> None:
        _send_datagram(sock, fitted(await self._answer(data, query), query.udp_size), client)

    async def _serve(self, client: socket.socket) -> None:
        """Serve one TCP client: its queries are answered one after the other."""
        while True:
            async with asyncio.timeout(self._limits.idle_timeout):
                data = await receive_message(client)
            query = read_query(data or b"")
            if data is None or query is None:
                return
            if isinstance(query, Rcode):
                answer = error_answer(data, query)
            else:
                answer = await self._answer(data, query)
            async with asyncio.timeout(self._limits.idle_timeout):
                await send_message(client, answer)
            # A client that never makes us wait must not keep the others waiting.
            await asyncio.sleep(0)

    async def _answer(self, data: bytes, query: Query) -> bytes:
        """The host's answer, or SERVFAIL if there is none."""
        if self._pending >= self._limits.queries:
            return error_answer(data, Rcode.SERVFAIL)
        self._pending += 1
        try:
            async with asyncio.timeout(self._limits.answer_timeout):
                answer = await self._ask(data)
            if is_answer_to(answer, data):
                return answer
            reason = "the host answered something else"
        except (VsocksError, OSError) as error:
            reason = describe(error)
        finally:
            self._pending -= 1
        log.debug("DNS query for %s failed: %s", query.name, reason)
        return error_answer(data, Rcode.SERVFAIL)


def _send_datagram(sock: socket.socket, data: bytes, client: Any) -> None:
    """Send it now or drop it: a datagram is not worth waiting for."""
    with contextlib.suppress(OSError):
        sock.sendto(data, client)


def _bound_sockets(host: str, port: int) -> list[socket.socket]:
    """UDP sockets at the addresses of ``host``. Raises what cannot_listen() gives."""
    try:
        return at_each_address(host, port, answering_datagram_socket)
    except (OSError, OverflowError) as error:
        raise cannot_listen(format_host_port(host, port), error, "listen for DNS") from None
