"""Ports of the host that come out in the guest, and targets that connect back (BIND)."""

from __future__ import annotations

import asyncio

import pytest

from tests.one_process.conftest import Run, until
from tests.one_process.pair import LOOPBACK, Pair, echo_server, pair
from tests.one_process.targets import Address, client
from tests.support import socks_async
from tests.support.socks_messages import BIND
from vsocks.address import Target
from vsocks.guest.daemon import GuestConfig
from vsocks.host.config import HostConfig
from vsocks.host.forwards import Forward
from vsocks.mux.relay import IdleTimeouts
from vsocks.protocol.endpoint import Wire

pytestmark = [pytest.mark.one_process, pytest.mark.timeout(60)]


def configs(target: Address, *, exposed: bool = True) -> tuple[GuestConfig, HostConfig]:
    to = Target(*target)
    guest = GuestConfig(
        Wire.AUTO,
        listen=(("127.0.0.1", 0),),
        exposed=(to,) if exposed else (Target("127.0.0.1", 1),),
    )
    return guest, HostConfig(Wire.AUTO, LOOPBACK, forwards=(Forward(("127.0.0.1", 0), to),))


def test_a_forward_comes_out_in_the_guest(run: Run[None]) -> None:
    async def forward() -> None:
        async with echo_server() as target:
            guest, host = configs(target)
            async with pair(guest=guest, host=host) as both:
                [where] = both.host.forwarded
                for _ in range(5):
                    async with client(where, b"hello") as (reader, writer):
                        assert await reader.readexactly(5) == b"hello"
                        writer.write_eof()
                        assert await reader.read() == b""
                await until(lambda: both.guest.connections == 0)

    run(forward())


def test_what_cannot_be_forwarded_is_reset(run: Run[None]) -> None:
    async def refuse() -> None:
        async with echo_server() as target:
            guest, host = configs(target, exposed=False)
            async with pair(guest=guest, host=host) as both:
                [where] = both.host.forwarded
                for _ in range(2):
                    with pytest.raises(ConnectionResetError):
                        async with client(where) as (reader, _):
                            await reader.readexactly(1)
                    both.host.drop_channel()
                    await until(lambda: not both.host.has_session)

    run(refuse())


async def wait_at_host(both: Pair) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection on which somebody has been asked to come."""
    return await socks_async.request(both.proxy, ("127.0.0.1", 0), command=BIND)


def test_a_target_connects_back(run: Run[None]) -> None:
    async def bind() -> None:
        host = HostConfig(Wire.AUTO, LOOPBACK, bind_address="127.0.0.1")
        async with pair(host=host) as both:
            reader, writer = await wait_at_host(both)
            waits = await socks_async.read_answer(reader)
            assert waits.reply == 0
            async with client(waits.address, b"I came") as (theirs, them):
                assert (await socks_async.read_answer(reader)).reply == 0
                assert await reader.readexactly(6) == b"I came"
                writer.write(b"welcome")
                assert await theirs.readexactly(7) == b"welcome"
                them.close()
                assert await reader.read() == b""
            writer.close()
            await until(lambda: both.guest.connections == 0)

    run(bind())


def test_nobody_connects_back(run: Run[None]) -> None:
    async def bind() -> None:
        async with pair() as both:
            reader, writer = await wait_at_host(both)
            assert (await socks_async.read_answer(reader)).reply == 2  # it is off
            writer.close()
        host = HostConfig(Wire.AUTO, LOOPBACK, bind_address="127.0.0.1", bind_timeout=0.05)
        async with pair(host=host) as both:
            reader, writer = await wait_at_host(both)
            assert (await socks_async.read_answer(reader)).reply == 0
            assert (await socks_async.read_answer(reader)).reply == 6
            writer.close()

    run(bind())


def test_who_waits_for_somebody_may_leave(run: Run[None]) -> None:
    async def leave() -> None:
        host = HostConfig(Wire.AUTO, LOOPBACK, bind_address="127.0.0.1")
        async with pair(host=host) as both:
            reader, writer = await wait_at_host(both)
            await socks_async.read_answer(reader)
            writer.close()
            await until(lambda: both.guest.connections == 0)

    run(leave())


def test_silent_connections_are_reset_by_the_host_too(run: Run[None]) -> None:
    async def silent() -> None:
        host = HostConfig(Wire.AUTO, LOOPBACK, idle_timeouts=IdleTimeouts(0.05, 0.05))
        async with pair(host=host) as both, echo_server() as target:
            reader, writer = await socks_async.connect(both.proxy, target)
            with pytest.raises(ConnectionResetError):
                await reader.readexactly(1)
            writer.close()

    run(silent())


def test_more_connects_than_the_rate_are_refused(run: Run[None]) -> None:
    async def many() -> None:
        host = HostConfig(Wire.AUTO, LOOPBACK, connect_rate=0.01)
        async with pair(host=host) as both, echo_server() as target:
            _, writer = await socks_async.connect(both.proxy, target)
            assert await socks_async.ask(both.proxy, target) == 1
            writer.close()
            await asyncio.sleep(0)

    run(many())
