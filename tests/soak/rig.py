"""Both daemons on a unix socket, what traffic goes to, all on loopback, and the ways there."""

from __future__ import annotations

import contextlib
import random
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import dns.message

from tests.integration.support import udp
from tests.integration.support.behaviours import source
from tests.integration.support.http_target import HttpTarget
from tests.integration.support.layouts import unix_guest_listens
from tests.integration.support.pair import ALLOW_LOOPBACK, NO_RATE, Pair
from tests.integration.support.scripted_dns import an_address
from tests.integration.support.targets import Serve, Target
from tests.integration.support.transfer import (
    CorruptDataError,
    read_request,
    receive_pattern,
    reset,
)
from tests.support.socks_messages import Address

LOCALHOST = "127.0.0.1"
OUTGOING_PORTS = Path("/proc/sys/net/ipv4/ip_local_port_range")
#: How a target says that so many bytes have come, all of them right.
RECEIPT = 8
DOMAIN = "soak.test"


@dataclass(frozen=True)
class Rig:
    """The daemons, the ways in, and the targets."""

    pair: Pair
    dns: Address
    forward: Address
    source: Address
    sink: Address
    web: str
    echo: Address

    @property
    def proxy(self) -> Address:
        """Where the guest serves SOCKS and HTTP."""
        return self.pair.proxy


@contextmanager
def rig(directory: Path, on_wrong: Callable[[str, BaseException], None]) -> Iterator[Rig]:
    """All of it, in session, while the context lasts; `on_wrong` hears of what targets find."""
    dns_door, forward = (LOCALHOST, lasting_port()), (LOCALHOST, lasting_port())
    with ExitStack() as stack:
        sources = stack.enter_context(Target(_quiet(source)))
        sinks = stack.enter_context(Target(_quiet(_checking(on_wrong))))
        web = stack.enter_context(HttpTarget())
        echo = stack.enter_context(udp.udp_target(_echo))
        nameserver = stack.enter_context(udp.udp_target(_answer))
        inside = f"{LOCALHOST}:{sources.port}"
        pair = Pair(
            stack.enter_context(unix_guest_listens(directory)),
            directory,
            port=lasting_port(),
            guest_options=("--dns", f"{LOCALHOST}:{dns_door[1]}", "--expose", inside),
            host_options=(
                *ALLOW_LOOPBACK,
                *NO_RATE,
                *("--forward", f"{forward[1]}:{inside}"),
                *("--dns-server", f"{LOCALHOST}:{nameserver.port}"),
            ),
        )
        stack.enter_context(pair).start()
        yield Rig(pair, dns_door, forward, sources.address, sinks.address, web.root, echo.address)


def lasting_port() -> int:
    """A port that nobody listens on, and that no connection gets by chance.

    A daemon that is started again needs its port; those from which connections go out may be
    taken by then, at worst by a client that tries to connect to that very port.
    """
    most = int(OUTGOING_PORTS.read_text().split()[0])
    while True:
        port = random.randrange(10_000, most)
        with contextlib.suppress(OSError):
            for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                with socket.socket(socket.AF_INET, kind) as sock:
                    sock.bind((LOCALHOST, port))
            return port


def address_of(number: int) -> str:
    """What our nameserver says of the name with that number."""
    return f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


def _checking(on_wrong: Callable[[str, BaseException], None]) -> Serve:
    """Check the stream that the client announces to its end, and say how much came."""

    def serve(connection: socket.socket) -> None:
        stream, _ = read_request(connection)
        try:
            received = receive_pattern(connection, stream)
        except CorruptDataError as error:
            on_wrong("upload", error)
            reset(connection)
            return
        if received.ending == "eof":
            connection.sendall(received.count.to_bytes(RECEIPT, "big"))

    return serve


def _quiet(serve: Serve) -> Serve:
    """The same, though a client may leave at any time."""

    def serve_quietly(connection: socket.socket) -> None:
        with contextlib.suppress(OSError, EOFError):
            serve(connection)

    return serve_quietly


def _echo(sock: socket.socket, data: bytes, source: Address) -> None:
    # The sender's port may be gone by now.
    with contextlib.suppress(OSError):
        sock.sendto(data, source)


def _answer(sock: socket.socket, query: bytes, source: Address) -> None:
    """The address that belongs to the number in a name."""
    name = str(dns.message.from_wire(query).question[0].name)
    _echo(sock, an_address(query, address_of(int(name.partition(".")[0]))), source)
