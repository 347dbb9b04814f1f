"""Asking this machine's nameserver what a guest wants to know.

Queries and answers pass unchanged but for the id. The guest knows neither the id nor the port from
which its query is sent, so it can't help anybody to forge an answer (RFC 5452).
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
import socket
from typing import TYPE_CHECKING, Any, Final

from vsocks.aio.dns_tcp import receive_message, send_message
from vsocks.aio.socket_options import new_datagram_socket, new_stream
from vsocks.audit.record import Event, Kind
from vsocks.dns_message import (
    MAX_MESSAGE,
    Query,
    Rcode,
    error_answer,
    id_of,
    is_answer_to,
    is_truncated,
    rcode_of,
    read_query,
    with_id,
)
from vsocks.errors import describe

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from vsocks.address import Target
    from vsocks.host.audit import Audit
    from vsocks.policy.policy import Policy

log = logging.getLogger(__name__)

#: Servers that are asked, as glibc has it (resolv.conf(5), MAXNS), and the fewest tries.
_MOST_SERVERS: Final = 3
_LEAST_TRIES: Final = 2
#: What a nameserver says when another one may do better.
_FAILURES: Final = frozenset({Rcode.SERVFAIL, Rcode.NOTIMP, Rcode.REFUSED})


class Nameserver:
    """Answers queries by asking the first of ``servers()``, then the next one, or it again.

    A name that the policy denies on all ports is answered with REFUSED, and ``refused`` gets a
    line. The policy doesn't apply to the servers themselves: the guest does not choose them.

    All of them together have ``patience`` seconds to answer, shared among the tries. Beyond
    ``max_pending`` queries at a time, the answer is SERVFAIL.
    """

    def __init__(
        self,
        servers: Callable[[], Sequence[Target]],
        policy: Policy,
        *,
        refused: Callable[[str], None] = log.info,
        patience: float = 4.0,
        max_pending: int = 64,
        audit: Audit | None = None,
    ) -> None:
        self._servers = servers
        self._policy = policy
        self._refused = refused
        self._patience = patience
        self._max_pending = max_pending
        self._pending = 0
        self._audit = audit

    async def answer(self, query: bytes) -> bytes:
        """The answer to a query, whatever its bytes; empty if they are no query at all."""
        asked = read_query(query)
        if asked is None:
            self._tell(None, None)
            return b""
        if isinstance(asked, Rcode):
            self._tell(None, asked)
            return error_answer(query, asked)
        denial = self._policy.denies_look_up(asked.name)
        if denial is not None:
            self._refused(f"DNS query for {asked.name}: {denial.reason}")
            self._tell(asked, Rcode.REFUSED, denied_by=denial.rule)
            return error_answer(query, Rcode.REFUSED)
        if self._pending >= self._max_pending:
            self._refused(f"DNS query for {asked.name}: {self._max_pending} queries are pending")
            denied_by = f"built-in: {self._max_pending} queries are pending"
            self._tell(asked, Rcode.SERVFAIL, denied_by=denied_by)
            return error_answer(query, Rcode.SERVFAIL)
        self._pending += 1
        try:
            answer = await self._ask_servers(query)
            self._tell(asked, rcode_of(answer))
            return with_id(answer, id_of(query))
        finally:
            self._pending -= 1

    def _tell(self, asked: Query | None, rcode: int | None, denied_by: str | None = None) -> None:
        """Tell the audit."""
        if self._audit is None:
            return
        record_type = f", type {asked.record_type}" if asked is not None else ""
        self._audit.tell(
            Kind.DNS,
            Event.FAILED if denied_by or asked is None else Event.ANSWERED,
            name=None if asked is None else asked.name,
            allowed=denied_by is None,
            rule=denied_by,
            end="no query" if rcode is None else f"{_rcode_name(rcode)}{record_type}",
        )

    async def _ask_servers(self, query: bytes) -> bytes:
        """The first good answer; else the first bad one; else SERVFAIL."""
        failures: dict[Target, bytes] = {}
        servers = self._servers()[:_MOST_SERVERS]
        tries = max(_LEAST_TRIES, len(servers))
        for server in itertools.islice(itertools.cycle(servers), tries):
            if server in failures:
                continue
            try:
                async with asyncio.timeout(self._patience / tries):
                    answer = await _exchange(server, query)
            except OSError as error:
                log.debug("nameserver %s: %s", server, describe(error))
                continue
            if rcode_of(answer) not in _FAILURES:
                return answer
            failures[server] = answer
        return next(iter(failures.values()), error_answer(query, Rcode.SERVFAIL))


def _rcode_name(rcode: int) -> str:
    try:
        return Rcode(rcode).name
    except ValueError:
        return f"rcode {rcode}"


async def _exchange(server: Target, query: bytes) -> bytes:
    """The server's answer, by UDP, or by TCP if it is too long. Raises OSError."""
    sent = with_id(query, int.from_bytes(os.urandom(2), "big"))
    answer = await _by_udp(server, sent)
    return await _by_tcp(server, sent) if is_truncated(answer) else answer


async def _by_udp(server: Target, query: bytes) -> bytes:
    family, address = _socket_address(server)
    loop = asyncio.get_running_loop()
    with new_datagram_socket(family) as sock:
        # From a port that the system chooses anew; and only that server can answer there.
        sock.connect(address)
        sock.send(query)
        while True:
            answer = await loop.sock_recv(sock, MAX_MESSAGE)
            if is_answer_to(answer, query):
                return answer
            # While forged answers pour in, receiving doesn't wait: the clock wants a turn, too.
            await asyncio.sleep(0)


async def _by_tcp(server: Target, query: bytes) -> bytes:
    family, address = _socket_address(server)
    with new_stream(family) as sock:
        await asyncio.get_running_loop().sock_connect(sock, address)
        await send_message(sock, query)
        answer = await receive_message(sock)
    if answer is None or not is_answer_to(answer, query):
        raise ConnectionError("no answer by TCP")
    return answer


def _socket_address(server: Target) -> tuple[socket.AddressFamily, Any]:
    """Address family and socket address, with the scope of an IPv6 address."""
    [(family, _, _, _, address)] = socket.getaddrinfo(
        server.host, server.port, type=socket.SOCK_DGRAM, flags=socket.AI_NUMERICHOST
    )
    return family, address
