"""DNS in the guest: asked there by UDP and TCP, answered by the host's nameserver."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
from collections.abc import AsyncIterator
from typing import cast

import dns.message
import dns.rcode
import pytest

from tests.one_process.conftest import Run
from tests.one_process.pair import LOOPBACK, Pair, pair
from tests.one_process.targets import Address, client
from vsocks.address import Target
from vsocks.guest.daemon import GuestConfig
from vsocks.host.config import HostConfig
from vsocks.policy.policy import Policy, Rule
from vsocks.protocol.endpoint import Wire

pytestmark = [pytest.mark.one_process, pytest.mark.timeout(60)]


class Nameserver(asyncio.DatagramProtocol):
    """Answers every query by an empty answer, or not at all."""

    def __init__(self, *, answers: bool) -> None:
        self.answers = answers

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: Address) -> None:
        if self.answers:
            answer = dns.message.make_response(dns.message.from_wire(data))
            self.transport.sendto(answer.to_wire(), addr)


@contextlib.asynccontextmanager
async def daemons(*, answers: bool = True, policy: Policy = LOOPBACK) -> AsyncIterator[Pair]:
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: Nameserver(answers=answers), local_addr=("127.0.0.1", 0)
    )
    where = Target(*transport.get_extra_info("sockname"))
    guest = GuestConfig(Wire.AUTO, listen=(("127.0.0.1", 0),), dns=("127.0.0.1", 0))
    try:
        async with pair(guest=guest, host=HostConfig(Wire.AUTO, policy, nameserver=where)) as both:
            yield both
    finally:
        transport.close()
        await asyncio.sleep(0)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells which address was asked")
@pytest.mark.parametrize(("where", "asked"), [("0.0.0.0", "127.0.0.2"), ("::", "::1")])
def test_at_a_wildcard_address_the_answer_comes_from_the_address_that_was_asked(
    run: Run[None], where: str, asked: str
) -> None:
    async def ask() -> None:
        guest = GuestConfig(Wire.AUTO, listen=(("127.0.0.1", 0),), dns=(where, 0))
        async with pair(guest=guest) as both:
            # Of no other source does a connected socket take it.
            await by_udp((asked, both.guest.dns_address[1]), query(), connected=True)

    run(ask())


async def by_udp(address: Address, data: bytes, *, connected: bool = False) -> bytes:
    """A thread asks: no loop has all operations on datagrams."""

    def ask() -> bytes:
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as sock:
            sock.settimeout(5)
            if connected:
                sock.connect(address)
                sock.send(data)
            else:
                sock.sendto(data, address)
            return sock.recv(65536)

    return await asyncio.to_thread(ask)


def query(name: str = "example.com") -> bytes:
    return dns.message.make_query(name, "A").to_wire()


def rcode(answer: bytes) -> dns.rcode.Rcode:
    return dns.message.from_wire(answer).rcode()


def test_queries_are_answered_by_udp_and_tcp(run: Run[None]) -> None:
    async def ask() -> None:
        async with daemons() as both:
            where = both.guest.dns_address
            answer = await by_udp(where, query())
            assert rcode(answer) == dns.rcode.NOERROR
            async with client(where) as (reader, writer):
                for name in ("a.example", "b.example"):
                    asked = query(name)
                    writer.write(len(asked).to_bytes(2, "big") + asked)
                    size = int.from_bytes(await reader.readexactly(2), "big")
                    answer = await reader.readexactly(size)
                    assert dns.message.from_wire(answer).question[0].name.to_text() == name + "."

    run(ask())


def test_what_is_denied_or_no_query_is_refused(run: Run[None]) -> None:
    async def ask() -> None:
        policy = Policy([Rule.parse("deny", "*.evil.test")])
        async with daemons(policy=policy) as both:
            where = both.guest.dns_address
            assert rcode(await by_udp(where, query("x.evil.test"))) != dns.rcode.NOERROR
            two = bytearray(query())
            two[5] = 2  # questions
            assert rcode(await by_udp(where, bytes(two[:12]))) == dns.rcode.FORMERR
            async with client(where, b"\x00\x03abc") as (reader, _):
                assert await reader.read() == b""

    run(ask())


def test_without_a_session_it_fails_at_once(run: Run[None]) -> None:
    async def ask() -> None:
        async with daemons() as both:
            both.host.drop_channel()
            assert rcode(await by_udp(both.guest.dns_address, query())) == dns.rcode.SERVFAIL

    run(ask())
