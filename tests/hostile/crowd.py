"""Clients beside a hostile peer: what they ask for is what it gets to answer, or not to.

Nobody holds the daemon to an answer here. Each client goes on as far as it gets, and leaves soon.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Sequence
from functools import partial
from random import Random

import dns.message

from tests.hostile.background import Background
from tests.integration.support import udp
from tests.integration.support.http_client import request as http_request
from tests.support import socks, socks_messages
from tests.support.socks_messages import Address, RefusedError
from vsocks.address import Target

Visit = Callable[[Random], object]

THREADS = 3
#: Seconds for which a client waits for anything.
PATIENCE = 0.3
COMMANDS = (
    socks_messages.CONNECT,
    socks_messages.CONNECT,
    socks_messages.BIND,
    socks_messages.RESOLVE,
    socks_messages.RESOLVE_PTR,
)


class Crowd(Background):
    """Clients by the dice, from entering the context to leaving it."""

    def __init__(self, visits: Sequence[Visit], seed: int) -> None:
        super().__init__(*(partial(self._come, number) for number in range(THREADS)))
        self._visits = visits
        self._seed = seed

    def _come(self, number: int) -> None:
        dice = Random(f"{self._seed} {number}")
        while not self.ends.wait(dice.uniform(0, 0.02)):
            with contextlib.suppress(OSError, EOFError, RefusedError):
                dice.choice(self._visits)(dice)


def plain(door: Address) -> Visit:
    """Comes, says something, listens for a moment."""

    def visit(dice: Random) -> None:
        with socks.dial(door, deadline=PATIENCE) as sock:
            _chat(dice, sock)

    return visit


def by_socks(proxy: Address, targets: Sequence[Target]) -> Visit:
    """Asks for something by SOCKS5, and uses what it gets."""

    def visit(dice: Random) -> None:
        target = dice.choice(targets)
        where = (target.host[:255], target.port)
        with socks.dial(proxy, deadline=PATIENCE) as sock:
            socks.greet(sock)
            sock.sendall(socks_messages.encode_request(where, command=dice.choice(COMMANDS)))
            socks.read_answer(sock)
            _chat(dice, sock)

    return visit


def by_http(proxy: Address, targets: Sequence[Target]) -> Visit:
    """The same by HTTP: a request to be passed on, or a tunnel."""

    def visit(dice: Random) -> None:
        target = dice.choice(targets)
        where = f"[{target.host}]" if ":" in target.host else target.host
        with socks.dial(proxy, deadline=PATIENCE) as sock:
            if dice.random() < 0.5:
                sock.sendall(http_request("CONNECT", f"{where}:{target.port}"))
            else:
                sock.sendall(http_request("GET", f"http://{where}:{target.port}/"))
            _chat(dice, sock)

    return visit


def by_datagrams(proxy: Address, target: Target) -> Visit:
    """An association, and some datagrams."""

    def visit(dice: Random) -> None:
        with socks.dial(proxy, deadline=PATIENCE) as control:
            socks.greet(control)
            control.sendall(
                socks_messages.encode_request(udp.NOWHERE, command=socks_messages.UDP_ASSOCIATE),
            )
            answer = socks.read_answer(control)
            if answer.reply is not socks_messages.Reply.SUCCEEDED:
                return
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
                sock.settimeout(PATIENCE / 3)
                for _ in range(dice.randrange(30)):
                    data = dice.randbytes(dice.randrange(1400))
                    sock.sendto(
                        socks_messages.datagram_header((target.host, target.port)) + data,
                        answer.address,
                    )
                sock.recv(udp.LONGEST)

    return visit


def by_dns(door: Address) -> Visit:
    """A query."""
    query = bytes(dns.message.make_query("www.example.test", "A").to_wire())

    def visit(dice: Random) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(PATIENCE)
            sock.sendto(query[: dice.choice((len(query), len(query), 7))], door)
            sock.recv(udp.LONGEST)

    return visit


def _chat(dice: Random, sock: socket.socket) -> None:
    """Say something, perhaps end; listen for a moment."""
    sock.sendall(dice.randbytes(1 << dice.randrange(18)))
    if dice.random() < 0.3:
        sock.shutdown(socket.SHUT_WR)
    for _ in range(dice.randrange(5)):
        if not sock.recv(65536):
            return
