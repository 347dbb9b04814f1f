"""Connections through both daemons: whole, in order, with both ends, and fairly."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from tests.one_process.conftest import Run, until
from tests.one_process.pair import LOOPBACK, Pair, echo_server, pair
from tests.one_process.targets import serving
from tests.support import socks_async
from tests.support.pattern import Checker, pattern
from vsocks.aio.socket_options import reset_on_close
from vsocks.guest.context import Limits
from vsocks.guest.daemon import GuestConfig
from vsocks.host.config import HostConfig
from vsocks.mux.relay import IdleTimeouts
from vsocks.protocol.endpoint import Wire

pytestmark = [pytest.mark.one_process, pytest.mark.timeout(60)]

SIZE = 3_000_000


async def there_and_back(both: Pair, target: tuple[str, int], number: int, size: int) -> None:
    reader, writer = await socks_async.connect(both.proxy, target)
    data = pattern(number, 0, size)

    async def send() -> None:
        writer.write(data)
        await writer.drain()
        writer.write_eof()

    sending = asyncio.ensure_future(send())
    checker = Checker(number)
    checker.take(await reader.read(-1))
    await sending
    writer.close()
    assert not checker.wrong
    assert checker.received == size


@pytest.mark.parametrize("wire", [Wire.AUTO])
def test_many_at_once_come_back_whole(run: Run[None], wire: Wire) -> None:
    async def many() -> None:
        async with pair(wire=wire) as both, echo_server() as target:
            await asyncio.gather(
                *(there_and_back(both, target, n, SIZE if n < 2 else 20_000) for n in range(12))
            )
            await until(lambda: both.guest.connections == 0)

    run(many())


def test_what_is_sent_ahead_of_the_reply_arrives(run: Run[None]) -> None:
    async def ahead() -> None:
        async with pair() as both, echo_server() as target:
            reader, writer = await socks_async.connect(both.proxy, target, ahead=b"early ")
            writer.write(b"late")
            assert await reader.readexactly(10) == b"early late"
            writer.close()

    run(ahead())


def test_a_stalled_reader_stops_nobody_else(run: Run[None]) -> None:
    async def stalled() -> None:
        async with pair() as both, echo_server() as target:
            _, slow = await socks_async.connect(both.proxy, target)
            slow.write(pattern(1, 0, 4 * SIZE))  # nobody reads what comes back
            await there_and_back(both, target, 2, SIZE)
            slow.transport.abort()
            await until(lambda: both.guest.connections == 0)

    run(stalled())


def test_a_reset_of_either_end_frees_both(run: Run[None]) -> None:
    async def reset() -> None:
        async with pair() as both, echo_server() as target:
            for _ in range(70):
                _, writer = await socks_async.connect(both.proxy, target)
                writer.write(b"x" * 1000)
                writer.transport.abort()
            await until(lambda: both.guest.connections == 0)
            await there_and_back(both, target, 3, 1000)

    run(reset())


def test_a_target_that_resets_is_seen_as_a_reset(run: Run[None]) -> None:
    async def reset() -> None:
        async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            reset_on_close(writer.get_extra_info("socket"))
            writer.transport.abort()

        server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
        async with pair() as both:
            target = server.sockets[0].getsockname()[:2]
            reader, writer = await socks_async.connect(both.proxy, target)
            with pytest.raises(ConnectionResetError):
                await reader.readexactly(1)
            writer.close()
        server.close()

    run(reset())


def test_a_silent_connection_is_given_up(run: Run[None]) -> None:
    async def silent() -> None:
        timeouts = IdleTimeouts(idle=0.1, half_closed=0.1)
        guest = GuestConfig(
            Wire.AUTO, listen=(("127.0.0.1", 0),), limits=replace(Limits(), idle_timeouts=timeouts)
        )
        async with pair(guest=guest) as both, echo_server() as target:
            reader, _writer = await socks_async.connect(both.proxy, target)
            with pytest.raises(ConnectionResetError):
                await reader.readexactly(1)
            assert both.guest.connections == 0

    run(silent())


def test_the_loss_of_the_channel_resets_clients_and_the_next_one_serves(run: Run[None]) -> None:
    async def lose() -> None:
        async with pair() as both, echo_server() as target:
            reader, writer = await socks_async.connect(both.proxy, target)
            writer.write(b"ping")
            assert await reader.readexactly(4) == b"ping"
            both.host.drop_channel()
            with pytest.raises(ConnectionResetError):
                await reader.readexactly(1)
            both.rejoin()
            await until(lambda: both.guest.has_session)
            await there_and_back(both, target, 4, 1000)

    run(lose())


def test_denied_refused_and_unknown_are_told_apart(run: Run[None]) -> None:
    async def refused() -> None:
        host = HostConfig(Wire.AUTO, LOOPBACK)
        async with pair(host=host) as both:
            for target, reply in (("169.254.169.254", 2), ("127.0.0.1", 5)):
                assert await socks_async.ask(both.proxy, (target, 1)) == reply

    run(refused())


def test_on_the_original_wire_a_close_ends_the_targets_connection(run: Run[None]) -> None:
    """Its close is of both directions: what the target still sends would be thrown away."""

    async def leave() -> None:
        ended, got = asyncio.Event(), bytearray()

        async def send_for_ever(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            got.extend(await reader.readexactly(4))
            try:
                while True:
                    writer.write(bytes(65536))
                    await writer.drain()
            except ConnectionError:
                ended.set()
            writer.close()

        async with pair(wire=Wire.ORIGINAL) as both, serving(send_for_ever) as target:
            reader, writer = await socks_async.connect(both.proxy, target)
            writer.write(b"last")
            await reader.readexactly(100_000)
            writer.close()
            await ended.wait()
            assert got == b"last"

    run(leave())
