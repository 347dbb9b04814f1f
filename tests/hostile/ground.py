"""What a hostile guest can reach by its host, all of it on loopback: targets that are good, bad,
slow, or not to be had.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from tests.integration.support import udp
from tests.integration.support.behaviours import count_to_end, echo
from tests.integration.support.scripted_dns import an_address
from tests.integration.support.targets import Serve, closed_port, silent_port
from tests.integration.support.targets import Target as Server
from tests.integration.support.transfer import reset
from tests.support.pattern import BLOCK
from tests.support.socks_messages import Address
from vsocks.address import Target


@dataclass(frozen=True)
class Ground:
    """Where a hostile peer and the clients beside it go."""

    #: Servers that answer, the first of which sends back what it gets.
    servers: list[Target]
    #: What can't be connected to, for one reason or another.
    pitfalls: list[Target]
    datagrams: Target
    nameserver: Target

    @property
    def targets(self) -> list[Target]:
        """All there is to connect to."""
        return [*self.servers, *self.pitfalls]


def pour(connection: socket.socket) -> None:
    """Send without end."""
    while True:
        connection.sendall(bytes(BLOCK))


def greet_and_leave(connection: socket.socket) -> None:
    """Say one word, then close."""
    connection.sendall(b"hello")


def ignore(connection: socket.socket) -> None:
    """Read nothing, until the other end has gone or time is up."""
    connection.settimeout(1)
    connection.recv(1)
    connection.recv(1, socket.MSG_PEEK)


SERVERS: list[Serve] = [echo, count_to_end, pour, greet_and_leave, ignore, reset]

#: Addresses that no network has (RFC 5737, RFC 3849) and the policy here denies anyway; names that
#: need no nameserver.
NOWHERE = [
    Target("192.0.2.1", 80),
    Target("2001:db8::1", 80),
    Target("0.0.0.0", 0),
    Target("255.255.255.255", 9),
    Target("localhost", 1),
    Target("a" * 64, 80),
    Target("1.2.3.4.5", 80),
]
#: Only loopback can be reached, whatever a hostile guest asks for.
LOOPBACK_ONLY = (
    *("--deny", "0.0.0.0/0", "--deny", "[::/0]"),
    *("--allow", "127.0.0.0/8", "--allow", "[::1]", "--allow", "localhost"),
)


@contextmanager
def ground() -> Iterator[Ground]:
    """Have all of it there while the context lasts."""
    with ExitStack() as stack:
        servers = [stack.enter_context(Server(_quiet(serve))) for serve in SERVERS]
        closed = stack.enter_context(closed_port())
        silent = stack.enter_context(silent_port())
        echoes = stack.enter_context(udp.udp_target(udp.echo))
        nameserver = stack.enter_context(udp.udp_target(_answer))
        yield Ground(
            [_target(server.address) for server in servers],
            [_target(closed), _target(silent), *NOWHERE],
            _target(echoes.address),
            _target(nameserver.address),
        )


def _target(address: Address) -> Target:
    return Target(*address)


def _quiet(serve: Serve) -> Serve:
    """The same with no outcome: there are too many to keep, and nobody asks."""

    def serve_quietly(connection: socket.socket) -> None:
        with contextlib.suppress(OSError, EOFError):
            serve(connection)

    return serve_quietly


def _answer(sock: socket.socket, query: bytes, source: Address) -> None:
    """Answer a DNS query if it is one; if not, send it back."""
    try:
        answer = an_address(query)
    except Exception:  # whatever dnspython makes of it
        answer = query
    sock.sendto(answer, source)
