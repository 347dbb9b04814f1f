"""What a client may say at the guest's port, in every dialect, and how each ends."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from dataclasses import replace

import pytest

from tests.one_process.conftest import Run, until
from tests.one_process.pair import Pair, echo_server, pair
from tests.one_process.targets import Address, all_of_it, client, serving
from tests.support import socks_async
from vsocks.aio.socket_options import reset_on_close
from vsocks.guest.context import Limits
from vsocks.guest.daemon import GuestConfig
from vsocks.protocol.endpoint import Wire
from vsocks.proxy.users import User, Users

pytestmark = [pytest.mark.one_process, pytest.mark.timeout(60)]

HELLO = b"\x05\x01\x00"


def packed(address: Address) -> bytes:
    return socket.inet_aton(address[0]) + address[1].to_bytes(2, "big")


def config(
    limits: Limits | None = None, users: Users | None = None, streams: int = 64
) -> GuestConfig:
    return GuestConfig(
        Wire.AUTO,
        listen=(("127.0.0.1", 0),),
        limits=limits or Limits(),
        users=users or Users(),
        max_streams=streams,
    )


async def nobody_is_left(both: Pair) -> None:
    await until(lambda: both.guest.connections == 0)


def test_socks_4_and_4a(run: Run[None]) -> None:
    async def connect() -> None:
        async with pair() as both, echo_server() as target:
            port, ip = target[1].to_bytes(2, "big"), socket.inet_aton(target[0])
            for said in (
                b"\x04\x01" + port + ip + b"me\0",
                b"\x04\x01" + port + b"\0\0\0\1me\0" + b"127.0.0.1\0",
            ):
                async with client(both.proxy, said + b"early") as (reader, writer):
                    assert (await reader.readexactly(8))[1] == 90
                    assert await reader.readexactly(5) == b"early"
                    writer.write_eof()
                    assert await reader.read(-1) == b""
            await nobody_is_left(both)

    run(connect())


def test_a_refused_client_that_goes_on_sending_is_not_reset(run: Run[None]) -> None:
    """It reads the page when it has sent all, which takes longer than a page may lie there."""

    async def upload() -> None:
        async with pair() as both:
            said = b"POST http://169.254.169.254/ HTTP/1.1\r\nContent-Length: 1000000\r\n\r\n"
            async with client(both.proxy, said) as (reader, writer):
                for _ in range(7):
                    writer.write(bytes(10_000))
                    await writer.drain()
                    await asyncio.sleep(0.2)
                assert b" 403 " in await reader.readline()
                writer.close()
            await nobody_is_left(both)

    run(upload())


def test_a_crowd_that_has_begun_does_not_put_out_who_has_just_come(
    run: Run[None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would be the only one that has said nothing, each time another of the crowd comes."""
    monkeypatch.setattr("vsocks.guest.client._MOMENT", 60.0)

    async def come() -> None:
        async with contextlib.AsyncExitStack() as crowd:
            both = await crowd.enter_async_context(pair(guest=config(streams=1)))
            target = await crowd.enter_async_context(echo_server())

            async def begin() -> asyncio.StreamReader:
                reader, _ = await crowd.enter_async_context(client(both.proxy, b"\x05\x01\x00"))
                assert await reader.readexactly(2) == b"\x05\x00"
                return reader

            first = [await begin() for _ in range(65)]  # one stream, and 64 besides
            async with client(both.proxy) as (reader, writer):
                for gone in first[:10]:
                    await begin()
                    with pytest.raises(ConnectionResetError):
                        await gone.read(-1)
                writer.write(b"\x05\x01\x00\x05\x01\x00\x01" + packed(target))
                assert (await reader.readexactly(2 + 10))[3] == 0

    run(come())


def test_a_name_is_looked_up_by_the_host(run: Run[None]) -> None:
    async def connect() -> None:
        async with pair() as both, echo_server() as target:
            asked = b"\x05\x01\x00\x03\x09localhost" + target[1].to_bytes(2, "big")
            async with client(both.proxy, HELLO + asked) as (reader, writer):
                assert (await reader.readexactly(2 + 10))[3] == 0
                writer.write(b"ping")
                assert await reader.readexactly(4) == b"ping"
            await nobody_is_left(both)

    run(connect())


def test_an_http_tunnel(run: Run[None]) -> None:
    async def tunnel() -> None:
        async with pair() as both, echo_server() as target:
            said = f"CONNECT {target[0]}:{target[1]} HTTP/1.1\r\n\r\nearly".encode()
            async with client(both.proxy, said) as (reader, _):
                assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
                assert await reader.readexactly(5) == b"early"
            await nobody_is_left(both)

    run(tunnel())


def test_the_proxys_own_pages(run: Run[None]) -> None:
    async def pages() -> None:
        async with pair() as both:
            status = await all_of_it(both.proxy, b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            assert b"0 of 64" in status
            pac = await all_of_it(both.proxy, b"GET /proxy.pac HTTP/1.0\r\n\r\n")
            assert b"FindProxyForURL" in pac

    run(pages())


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        (b"\x16\x03\x01\x00", b""),
        (b"SSH-2.0-x\r\n\r\n", b"HTTP/1.1 400"),
        (b"\x05\x01\x01", b"\x05\xff"),
        (b"\x04\x09\x00\x01\x7f\x00\x00\x01\x00", b"\x00\x5b"),
        (HELLO + b"\x05\x09\x00\x01\x7f\x00\x00\x01\x00\x01", b"\x05\x00\x05\x07"),
        (HELLO + b"\x05\x01\x00\x09", b"\x05\x00\x05\x08"),
    ],
    ids=["TLS", "SSH", "no method", "SOCKS4 command", "command", "address type"],
)
def test_what_is_not_understood_is_refused_in_its_dialect(
    run: Run[None], said: bytes, answer: bytes
) -> None:
    async def refuse() -> None:
        async with pair() as both:
            assert (await all_of_it(both.proxy, said)).startswith(answer)
            await nobody_is_left(both)

    run(refuse())


@pytest.mark.parametrize("said", [b"", b"\x05", HELLO, b"GET / HT"])
def test_who_does_not_go_on_is_closed(run: Run[None], said: bytes) -> None:
    async def wait() -> None:
        limits = replace(Limits(), handshake=0.05)
        async with pair(guest=config(limits)) as both:
            got = await all_of_it(both.proxy, said)
            assert got in (b"", b"\x05\x00")

    run(wait())


@pytest.mark.parametrize("resets", [False, True])
@pytest.mark.parametrize("said", [b"", HELLO, HELLO + b"\x05\x01\x00\x01\x7f", b"GET http://x"])
def test_who_leaves_early_leaves_nothing(run: Run[None], said: bytes, *, resets: bool) -> None:
    async def leave() -> None:
        async with pair() as both, echo_server() as target:
            for _ in range(70):
                async with client(both.proxy, said) as (_reader, writer):
                    if resets:
                        reset_on_close(writer.get_extra_info("socket"))
            assert await socks_async.ask(both.proxy, target) == 0

    run(leave())


def test_who_leaves_while_the_host_dials_frees_the_stream(run: Run[None]) -> None:
    async def leave() -> None:
        mute = socket.create_server(("127.0.0.1", 0), backlog=0)
        fillers = [socket.socket() for _ in range(3)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(mute.getsockname())
        async with pair() as both:
            said = HELLO + b"\x05\x01\x00\x01" + packed(mute.getsockname())
            async with client(both.proxy, said) as (reader, _):
                await reader.readexactly(2)
                await until(lambda: both.guest.connections == 1)
            await nobody_is_left(both)
        for each in (*fillers, mute):
            each.close()

    run(leave())


def test_no_stream_is_free(run: Run[None]) -> None:
    async def full() -> None:
        async with pair(guest=config(streams=1)) as both, echo_server() as target:
            _, holds = await socks_async.connect(both.proxy, target)
            assert await socks_async.ask(both.proxy, target) == 1
            said = f"CONNECT {target[0]}:{target[1]} HTTP/1.1\r\n\r\n".encode()
            assert (await all_of_it(both.proxy, said)).startswith(b"HTTP/1.1 503")
            holds.close()
            await nobody_is_left(both)
            assert await socks_async.ask(both.proxy, target) == 0

    run(full())


def test_users(run: Run[None]) -> None:
    async def log_in() -> None:
        users = Users([User("me", "secret")])
        async with pair(guest=config(users=users)) as both, echo_server() as target:
            assert await all_of_it(both.proxy, HELLO) == b"\x05\xff"
            said = b"\x05\x01\x02\x01\x02me\x05wrong"
            assert await all_of_it(both.proxy, said) == b"\x05\x02\x01\x01"
            good = b"\x05\x01\x02\x01\x02me\x06secret\x05\x01\x00\x01" + packed(target)
            async with client(both.proxy, good) as (reader, _):
                assert (await reader.readexactly(4 + 10))[2:6] == b"\x01\x00\x05\x00"

    run(log_in())


def test_names_and_addresses_are_asked_for(run: Run[None]) -> None:
    async def ask() -> None:
        async with pair() as both:
            named = HELLO + b"\x05\xf0\x00\x03\x09localhost\x00\x00"
            assert (await all_of_it(both.proxy, named))[3] == 0
            literal = HELLO + b"\x05\xf0\x00\x03\x09127.0.0.1\x00\x00"
            assert (await all_of_it(both.proxy, literal))[3:10] == b"\0\0\1\x7f\0\0\1"
            unknown = HELLO + b"\x05\xf0\x00\x03\x0cno.such.test\x00\x00"
            assert (await all_of_it(both.proxy, unknown))[3] == 4
            reverse = HELLO + b"\x05\xf1\x00\x01\x7f\x00\x00\x01\x00\x00"
            assert (await all_of_it(both.proxy, reverse))[3] in (0, 4)

    run(ask())


def test_without_a_session_it_is_said_at_once(run: Run[None]) -> None:
    async def none() -> None:
        async with pair() as both:
            both.host.drop_channel()
            await until(lambda: not both.guest.has_session)
            assert await socks_async.ask(both.proxy, ("127.0.0.1", 1)) == 1

    run(none())


def test_more_clients_than_there_is_room_for(run: Run[None]) -> None:
    async def crowd() -> None:
        async with pair(guest=config(streams=1)) as both, echo_server() as target:
            silent = [await asyncio.open_connection(*both.proxy) for _ in range(70)]
            reader, writer = await socks_async.connect(both.proxy, target)
            writer.write(b"ping")
            assert await reader.readexactly(4) == b"ping"
            first, _ = silent[0]
            with pytest.raises(ConnectionResetError):
                await first.read()
            for each in (writer, *(ends[1] for ends in silent)):
                each.close()

    run(crowd())


def test_a_client_whose_server_takes_no_notice_goes_first(run: Run[None]) -> None:
    async def left() -> None:
        hold = asyncio.Event()

        async def ignore(_r: asyncio.StreamReader, _w: asyncio.StreamWriter) -> None:
            await hold.wait()

        async with (
            pair(guest=config(streams=1)) as both,
            serving(ignore) as silent,
            echo_server() as target,
        ):
            reader, writer = await socks_async.connect(both.proxy, silent)
            writer.write_eof()
            while await socks_async.ask(both.proxy, target):
                pass  # it has not been seen yet that it has ended
            with pytest.raises(ConnectionResetError):
                await reader.read()
            writer.close()
            hold.set()

    run(left())
