"""HTTP requests that are passed on, in one event loop with the server and both daemons."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from tests.one_process.conftest import Run, until
from tests.one_process.pair import pair
from tests.one_process.targets import all_of_it, answering, client, serving, url
from vsocks.aio.socket_options import reset_on_close
from vsocks.guest.context import Limits
from vsocks.guest.daemon import GuestConfig
from vsocks.mux.relay import IdleTimeouts
from vsocks.protocol.endpoint import Wire

pytestmark = [pytest.mark.one_process, pytest.mark.timeout(60)]

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"


def get(where: bytes, *headers: bytes, method: bytes = b"GET") -> bytes:
    lines = [method + b" " + where + b" HTTP/1.1", b"Host: x", *headers]
    return b"\r\n".join(lines) + b"\r\n\r\n"


CLOSE = b"Connection: close"


def test_requests_in_a_row_use_one_connection_to_the_server(run: Run[None]) -> None:
    async def several() -> None:
        connections = 0

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal connections
            connections += 1
            while await reader.readuntil(b"\r\n\r\n"):
                writer.write(OK)

        async with (
            pair() as both,
            serving(serve) as server,
            client(both.proxy) as (reader, writer),
        ):
            for _ in range(5):
                writer.write(get(url(server)))
                head = await reader.readuntil(b"\r\n\r\n")
                assert head.startswith(b"HTTP/1.1 200")
                assert await reader.readexactly(5) == b"hello"
            assert connections == 1

    run(several())


def test_requests_that_come_at_once_are_answered_in_turn(run: Run[None]) -> None:
    async def pipelined() -> None:
        async with (
            pair() as both,
            serving(answering(OK)) as one,
            serving(answering(OK.replace(b"hello", b"other"))) as other,
        ):
            said = get(url(one)) + get(url(other), CLOSE)
            got = await all_of_it(both.proxy, said)
            assert got.index(b"hello") < got.index(b"other")

    run(pipelined())


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ((b"Content-Length: 400000",), b"x" * 400_000),
        ((b"Transfer-Encoding: chunked",), b"61a80\r\n" + b"x" * 400_000 + b"\r\n0\r\n\r\n"),
    ],
    ids=["length", "chunked"],
)
def test_a_long_body_goes_up_and_comes_back(
    run: Run[None], headers: tuple[bytes, ...], body: bytes
) -> None:
    async def there_and_back() -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            got = await reader.readexactly(len(body))
            writer.write(b"HTTP/1.1 200 OK\r\n" + headers[0] + b"\r\n\r\n" + got)

        async with pair() as both, serving(serve) as server:
            said = get(url(server), *headers, CLOSE, method=b"POST") + body
            got = await all_of_it(both.proxy, said)
            assert got.partition(b"\r\n\r\n")[2].count(b"x") == 400_000

    run(there_and_back())


def test_a_response_without_length_ends_with_its_connection(run: Run[None]) -> None:
    async def unbounded() -> None:
        answer = b"HTTP/1.0 200 OK\r\n\r\nall of it"
        async with pair() as both, serving(answering(answer)) as server:
            got = await all_of_it(both.proxy, get(url(server)))
            assert got.endswith(b"all of it")

    run(unbounded())


def test_a_slow_client_gets_all(run: Run[None]) -> None:
    async def slow() -> None:
        size = 3_000_000
        answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + b"x" * size
        async with (
            pair() as both,
            serving(answering(answer)) as server,
            client(both.proxy, get(url(server), CLOSE)) as (reader, _),
        ):
            await reader.readuntil(b"\r\n\r\n")
            reader._transport.pause_reading()  # type: ignore[attr-defined]
            await asyncio.sleep(0.05)
            reader._transport.resume_reading()  # type: ignore[attr-defined]
            assert len(await reader.read(-1)) == size

    run(slow())


def test_an_upgrade_is_a_tunnel(run: Run[None]) -> None:
    async def upgrade() -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n")
            while data := await reader.read(100):
                writer.write(data.upper())

        async with (
            pair() as both,
            serving(serve) as server,
            client(both.proxy, get(url(server), b"Upgrade: x", b"Connection: Upgrade")) as ends,
        ):
            reader, writer = ends
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101")
            writer.write(b"through")
            assert await reader.readexactly(7) == b"THROUGH"
            writer.write_eof()
            assert await reader.read(-1) == b""
            await until(lambda: both.guest.connections == 0)

    run(upgrade())


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (b"", b"502"),
        (b"HTTP/1.1 nonsense\r\n\r\n", b"502"),
        (b"HTTP/1.1 200 OK\r\nContent-Le", b"502"),
    ],
    ids=["nothing", "nonsense", "half"],
)
def test_a_server_that_does_not_answer_well_is_a_page(
    run: Run[None], answer: bytes, status: bytes
) -> None:
    async def fail() -> None:
        async with pair() as both, serving(answering(answer)) as server:
            got = await all_of_it(both.proxy, get(url(server)))
            assert got.startswith(b"HTTP/1.1 " + status)
            await until(lambda: both.guest.connections == 0)

    run(fail())


def test_a_part_of_a_response_never_looks_like_the_whole(run: Run[None]) -> None:
    async def part() -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart")
            await writer.drain()
            await asyncio.sleep(0.02)
            reset_on_close(writer.get_extra_info("socket"))
            writer.transport.abort()

        async with (
            pair() as both,
            serving(serve) as server,
            client(both.proxy, get(url(server))) as (reader, _),
        ):
            with pytest.raises(ConnectionResetError):
                await reader.read(-1)

    run(part())


def test_denied_and_refused_are_pages(run: Run[None]) -> None:
    async def fail() -> None:
        async with pair() as both:
            for where, status in (
                (b"http://169.254.169.254/", b"403"),
                (b"http://127.0.0.1:1/", b"502"),
            ):
                got = await all_of_it(both.proxy, get(where))
                assert got.startswith(b"HTTP/1.1 " + status), where
            got = await all_of_it(both.proxy, get(b"http://x:1:2/"))
            assert got.startswith(b"HTTP/1.1 400")
            assert both.guest.connections == 0

    run(fail())


def test_a_request_is_repeated_when_a_kept_connection_ends(run: Run[None]) -> None:
    """The server ends it just when the next request is on its way."""

    async def repeat() -> None:
        connections = 0

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal connections
            connections += 1
            await reader.readuntil(b"\r\n\r\n")
            writer.write(OK)
            if connections == 1:
                await reader.readuntil(b"\r\n\r\n")  # and no answer to that one

        async with (
            pair() as both,
            serving(serve) as server,
            client(both.proxy) as (reader, writer),
        ):
            for _ in range(2):
                writer.write(get(url(server)))
                await reader.readuntil(b"hello")
            assert connections == 2

    run(repeat())


def test_a_post_that_meets_the_end_of_a_kept_connection_is_left_to_the_client(
    run: Run[None],
) -> None:
    """A page would be an answer; at the end of its connection a program may try again."""

    async def leave() -> None:
        connections = 0

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal connections
            connections += 1
            await reader.readuntil(b"\r\n\r\n")
            writer.write(OK)
            await reader.readuntil(b"\r\n\r\n")

        post = b"POST %s HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n"
        async with (
            pair() as both,
            serving(serve) as server,
            client(both.proxy) as (reader, writer),
        ):
            writer.write(get(url(server)))
            await reader.readuntil(b"hello")
            writer.write(post % url(server))
            assert await reader.read(-1) == b""
            assert connections == 1
            writer.close()
            await until(lambda: both.guest.connections == 0)

    run(leave())


def test_a_client_that_leaves_frees_all(run: Run[None]) -> None:
    async def leave() -> None:
        asked = asyncio.Event()

        async def serve(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            asked.set()
            assert await reader.read() == b""

        async with pair() as both, serving(serve) as server:
            async with client(both.proxy, get(url(server))) as (_, writer):
                await asked.wait()
                reset_on_close(writer.get_extra_info("socket"))
            await until(lambda: both.guest.connections == 0)

    run(leave())


def test_silence_is_a_page(run: Run[None]) -> None:
    async def silent() -> None:
        async def serve(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
            await reader.read(-1)

        limits = replace(Limits(), idle_timeouts=IdleTimeouts(0.05, 0.05))
        guest = GuestConfig(Wire.AUTO, listen=(("127.0.0.1", 0),), limits=limits)
        async with pair(guest=guest) as both, serving(serve) as server:
            got = await all_of_it(both.proxy, get(url(server)))
            assert got.startswith(b"HTTP/1.1 504")

    run(silent())


def test_the_loss_of_the_session_is_a_page(run: Run[None]) -> None:
    async def lose() -> None:
        asked = asyncio.Event()

        async def serve(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            asked.set()
            await reader.read(-1)

        async with (
            pair() as both,
            serving(serve) as server,
            client(both.proxy, get(url(server))) as (reader, _),
        ):
            await asked.wait()
            both.host.drop_channel()
            assert (await reader.read(-1)).startswith(b"HTTP/1.1 502")
            both.rejoin()
            await until(lambda: both.guest.has_session)

    run(lose())
