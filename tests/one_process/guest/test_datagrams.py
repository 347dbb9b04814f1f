"""Datagrams of a client (UDP ASSOCIATE), through both daemons to a target and back."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import cast

import pytest

from tests.one_process.conftest import Run, until
from tests.one_process.pair import LOOPBACK, Pair, pair
from tests.one_process.targets import Address, client
from tests.support.socks_async import read_answer
from tests.support.socks_messages import (
    GREETING,
    UDP_ASSOCIATE,
    WELCOME,
    Answer,
    datagram_header,
    encode_request,
)
from vsocks.guest.context import Limits
from vsocks.guest.daemon import GuestConfig
from vsocks.host.associations import DatagramLimits
from vsocks.host.config import HostConfig
from vsocks.protocol.endpoint import Wire

pytestmark = [pytest.mark.one_process, pytest.mark.timeout(60)]

ASSOCIATE = GREETING + encode_request(("0.0.0.0", 0), command=UDP_ASSOCIATE)


class Inbox(asyncio.DatagramProtocol):
    """Keeps what comes; with ``echoes`` sends it back."""

    def __init__(self, *, echoes: bool = False) -> None:
        self.echoes = echoes
        self.came: asyncio.Queue[bytes] = asyncio.Queue()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # No loop's own transport is a DatagramTransport by class.
        self.transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: Address) -> None:
        self.came.put_nowait(data)
        if self.echoes:
            self.transport.sendto(data, addr)


@contextlib.asynccontextmanager
async def inbox(*, echoes: bool = False) -> AsyncIterator[tuple[Inbox, Address]]:
    transport, made = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: Inbox(echoes=echoes), local_addr=("127.0.0.1", 0)
    )
    try:
        yield made, transport.get_extra_info("sockname")
    finally:
        transport.close()
        # uvloop doesn't close while a transport of its own is closing.
        await asyncio.sleep(0)


async def answered(reader: asyncio.StreamReader) -> Answer:
    """What the proxy says to ASSOCIATE."""
    assert await reader.readexactly(len(WELCOME)) == WELCOME
    return await read_answer(reader)


async def associated(reader: asyncio.StreamReader) -> Address:
    """Where to send to."""
    answer = await answered(reader)
    assert answer.reply == 0
    return answer.address


@dataclass(frozen=True)
class Associated:
    """An association of `ours`, which sends to `relay`; `target`, at `where`, echoes."""

    both: Pair
    writer: asyncio.StreamWriter
    relay: Address
    ours: Inbox
    target: Inbox
    where: Address

    def send(self, datagram: bytes) -> None:
        self.ours.transport.sendto(datagram, self.relay)

    def send_to_target(self, data: bytes) -> None:
        self.send(datagram_header(self.where) + data)


@contextlib.asynccontextmanager
async def association() -> AsyncIterator[Associated]:
    async with (
        pair() as both,
        client(both.proxy, ASSOCIATE) as (reader, writer),
        inbox() as (ours, _),
        inbox(echoes=True) as (target, where),
    ):
        yield Associated(both, writer, await associated(reader), ours, target, where)


def test_datagrams_go_there_and_back(run: Run[None]) -> None:
    async def exchange() -> None:
        async with association() as it:
            for size in (1, 1400, 20_000):
                it.send_to_target(b"x" * size)
                assert await it.target.came.get() == b"x" * size
                assert await it.ours.came.get() == datagram_header(it.where) + b"x" * size
            it.send(datagram_header(("localhost", it.where[1])) + b"by name")
            assert await it.target.came.get() == b"by name"
            assert (await it.ours.came.get()).endswith(b"by name")
            it.writer.close()
            await until(lambda: it.both.guest.connections == 0)

    run(exchange())


def test_a_mapped_address_is_the_ipv4_one_and_answers_as_it_was_written(run: Run[None]) -> None:
    async def exchange() -> None:
        async with association() as it:
            start = datagram_header((f"::ffff:{it.where[0]}", it.where[1]))
            it.send(start + b"mapped")
            assert await it.target.came.get() == b"mapped"
            assert await it.ours.came.get() == start + b"mapped"
            it.send(datagram_header(("::ffff:169.254.169.254", 53)) + b"denied")
            it.send_to_target(b"plain")
            assert await it.ours.came.get() == datagram_header(it.where) + b"plain"

    run(exchange())


@pytest.mark.skipif(
    sys.platform == "win32" or os.geteuid() != 0, reason="only root can be another user for once"
)
def test_another_user_can_not_take_an_association_by_sending_first(
    run: Run[None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor keep the client out, by sending often."""
    monkeypatch.setattr("vsocks.guest.datagrams._LOOKS_PER_SECOND", 2)

    async def take() -> None:
        async with association() as it:
            os.seteuid(65534)
            try:
                others = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            finally:
                os.seteuid(0)
            with others:
                others.bind(("127.0.0.1", 0))
                for _ in range(10):  # more often than it is looked up whose they are
                    others.sendto(datagram_header(it.where) + b"another user's", it.relay)
                await asyncio.sleep(0.05)  # until they have come, or never will
                it.send_to_target(b"ours")
                assert await it.target.came.get() == b"ours"
                assert await it.ours.came.get() == datagram_header(it.where) + b"ours"

    run(take())


def test_what_is_no_clients_or_denied_goes_nowhere(run: Run[None]) -> None:
    async def drop() -> None:
        async with association() as it, inbox() as (other, _):
            it.send(b"nonsense")
            it.send(datagram_header(("169.254.169.254", 53)) + b"denied")
            it.send(datagram_header(("no.such.test", 53)) + b"by name")
            it.send_to_target(b"ours")
            assert await it.target.came.get() == b"ours"
            other.transport.sendto(datagram_header(it.where) + b"another program's", it.relay)
            it.send_to_target(b"last")
            assert await it.target.came.get() == b"last"
            it.target.transport.sendto(b"unasked", it.relay)

    run(drop())


async def refusal(both: Pair) -> int:
    async with client(both.proxy, ASSOCIATE) as (reader, _):
        return (await answered(reader)).reply


def test_bounds_of_either_side(run: Run[None]) -> None:
    async def full() -> None:
        guest = GuestConfig(Wire.AUTO, listen=(("127.0.0.1", 0),), max_associations=2)
        host = HostConfig(Wire.AUTO, LOOPBACK, datagrams=DatagramLimits(associations=1))
        async with pair(guest=guest, host=host) as both:
            async with client(both.proxy, ASSOCIATE) as (reader, _):
                await associated(reader)
                assert await refusal(both) == 1
            await until(lambda: both.guest.connections == 0)
            while await refusal(both):
                pass  # the host has not closed it yet

    run(full())


def test_a_silent_association_is_over(run: Run[None]) -> None:
    async def silent() -> None:
        limits = replace(Limits(), udp_idle=0.05)
        guest = GuestConfig(Wire.AUTO, listen=(("127.0.0.1", 0),), limits=limits)
        async with pair(guest=guest) as both, client(both.proxy, ASSOCIATE) as (reader, _):
            await associated(reader)
            assert await reader.read() == b""
            await until(lambda: both.guest.connections == 0)

    run(silent())


def test_one_that_is_silent_at_the_host_ends_at_both(run: Run[None]) -> None:
    async def silent() -> None:
        host = HostConfig(Wire.AUTO, LOOPBACK, datagrams=DatagramLimits(idle=0.05))
        async with pair(host=host) as both, client(both.proxy, ASSOCIATE) as (reader, _):
            await associated(reader)
            assert await reader.read() == b""

    run(silent())


def test_the_loss_of_the_session_ends_it(run: Run[None]) -> None:
    async def lose() -> None:
        async with pair() as both, client(both.proxy, ASSOCIATE) as (reader, _):
            await associated(reader)
            both.host.drop_channel()
            assert await reader.read() == b""

    run(lose())


def test_more_than_the_rate_is_dropped(run: Run[None]) -> None:
    async def flood() -> None:
        host = HostConfig(Wire.AUTO, LOOPBACK, datagrams=DatagramLimits(rate=0.01))
        async with (
            pair(host=host) as both,
            client(both.proxy, ASSOCIATE) as (reader, _),
            inbox() as (ours, _),
            inbox() as (target, where),
        ):
            relay = await associated(reader)
            for number in range(20):
                ours.transport.sendto(datagram_header(where) + bytes([number]), relay)
            assert await target.came.get() == b"\0"
            # All of them have gone through both daemons when this has.
            assert await refusal(both) == 0
            assert target.came.empty()

    run(flood())
