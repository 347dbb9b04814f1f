"""WebSockets: in a tunnel, and by a forwarded request that is upgraded."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest
from aiohttp import ClientSession
from websockets.sync.client import connect
from websockets.sync.server import Server, ServerConnection, serve

from tests.integration.clients.support.proof import came_through
from tests.integration.conftest import StartPair
from tests.integration.support.pair import Pair
from tests.integration.support.waiting import DEADLINE
from tests.support.pattern import pattern

pytestmark = [pytest.mark.integration, pytest.mark.timeout(60)]

MESSAGES: list[str | bytes] = [b"", b"a word", pattern(1, 0, 300_003), "some text"]


def echo(connection: ServerConnection) -> None:
    """Send every message back."""
    for message in connection:
        connection.send(message)


@pytest.fixture
def server() -> Iterator[Server]:
    with serve(echo, "127.0.0.1", 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join(DEADLINE)


@pytest.fixture
def port(server: Server) -> int:
    port: int = server.socket.getsockname()[1]
    return port


@pytest.mark.parametrize("scheme", ["socks5", "socks5h", "socks4", "socks4a", "http"])
def test_in_a_tunnel(pair: Pair, port: int, scheme: str) -> None:
    """websockets asks an HTTP proxy to CONNECT, whatever the URL's scheme."""
    proxy = f"{scheme}://{pair.proxy_text}"
    with connect(f"ws://localhost:{port}/", proxy=proxy, open_timeout=DEADLINE) as connection:
        for message in MESSAGES:
            connection.send(message)
            assert connection.recv(DEADLINE) == message
    assert came_through(pair, port)


@pytest.mark.parametrize("scheme", ["http", "ws"])
def test_by_a_forwarded_upgrade(pair: Pair, port: int, scheme: str) -> None:
    """aiohttp sends the URL as it is, `GET ws://…`, and no CONNECT."""

    async def main() -> None:
        url, proxy = f"{scheme}://localhost:{port}/", f"http://{pair.proxy_text}"
        async with (
            asyncio.timeout(DEADLINE),
            ClientSession() as session,
            session.ws_connect(url, proxy=proxy) as connection,
        ):
            for message in MESSAGES:
                if isinstance(message, str):
                    await connection.send_str(message)
                else:
                    await connection.send_bytes(message)
                assert (await connection.receive()).data == message

    asyncio.run(main())
    assert came_through(pair, port)


def test_by_a_forwarded_upgrade_with_a_password(start_pair: StartPair, port: int) -> None:
    guarded = start_pair(guest_options=("--user", "alice:sesame"))

    async def main() -> None:
        proxy = f"http://alice:sesame@{guarded.proxy_text}"
        async with (
            asyncio.timeout(DEADLINE),
            ClientSession() as session,
            session.ws_connect(f"http://localhost:{port}/", proxy=proxy) as connection,
        ):
            await connection.send_str("open")
            assert (await connection.receive()).data == "open"

    asyncio.run(main())
