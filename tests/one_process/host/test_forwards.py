"""Ports of the host that come out in the guest, and targets that connect back (BIND)."""

from __future__ import annotations

import asyncio
import socket

import pytest

from tests.one_process.conftest import Run, until
from tests.one_process.pair import LOOPBACK, echo_server, pair, socks_connect
from tests.one_process.targets import Address, client
from vsocks.address import Target
from vsocks.guest.daemon import GuestConfig
from vsocks.host.daemon import HostConfig
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


def test_a_target_connects_back(run: Run[None]) -> None:
    async def bind() -> None:
        host = HostConfig(Wire.AUTO, LOOPBACK, bind_address="127.0.0.1")
        async with pair(host=host) as both:
            said = b"\x05\x01\x00\x05\x02\x00\x01\x7f\x00\x00\x01\x00\x00"
            async with client(both.proxy, said) as (reader, writer):
                first = (await reader.readexactly(12))[2:]
                assert first[1] == 0
                where = socket.inet_ntoa(first[4:8]), int.from_bytes(first[8:], "big")
                async with client(where, b"I came") as (theirs, them):
                    second = await reader.readexactly(10)
                    assert second[1] == 0
                    assert await reader.readexactly(6) == b"I came"
                    writer.write(b"welcome")
                    assert await theirs.readexactly(7) == b"welcome"
                    them.close()
                    assert await reader.read() == b""
            await until(lambda: both.guest.connections == 0)

    run(bind())


def test_nobody_connects_back(run: Run[None]) -> None:
    async def bind() -> None:
        said = b"\x05\x01\x00\x05\x02\x00\x01\x7f\x00\x00\x01\x00\x00"
        async with pair() as both, client(both.proxy, said) as (reader, _):
            assert (await reader.readexactly(12))[3] == 2  # it is off
        host = HostConfig(Wire.AUTO, LOOPBACK, bind_address="127.0.0.1", bind_timeout=0.05)
        async with pair(host=host) as both, client(both.proxy, said) as (reader, _):
            assert (await reader.readexactly(12))[3] == 0
            assert (await reader.readexactly(10))[1] == 6

    run(bind())


def test_who_waits_for_somebody_may_leave(run: Run[None]) -> None:
    async def leave() -> None:
        host = HostConfig(Wire.AUTO, LOOPBACK, bind_address="127.0.0.1")
        said = b"\x05\x01\x00\x05\x02\x00\x01\x7f\x00\x00\x01\x00\x00"
        async with pair(host=host) as both:
            async with client(both.proxy, said) as (reader, _):
                await reader.readexactly(12)
            await until(lambda: both.guest.connections == 0)

    run(leave())


def test_silent_connections_are_reset_by_the_host_too(run: Run[None]) -> None:
    async def silent() -> None:
        host = HostConfig(Wire.AUTO, LOOPBACK, idle_timeouts=IdleTimeouts(0.05, 0.05))
        async with pair(host=host) as both, echo_server() as target:
            reader, writer = await socks_connect(both.proxy, target)
            with pytest.raises(ConnectionResetError):
                await reader.readexactly(1)
            writer.close()

    run(silent())


def test_more_connects_than_the_rate_are_refused(run: Run[None]) -> None:
    async def many() -> None:
        host = HostConfig(Wire.AUTO, LOOPBACK, connect_rate=0.01)
        async with pair(host=host) as both, echo_server() as target:
            _, writer = await socks_connect(both.proxy, target)
            with pytest.raises(ConnectionError) as raised:
                await socks_connect(both.proxy, target)
            assert raised.value.args == (1,)
            writer.close()
            await asyncio.sleep(0)

    run(many())
