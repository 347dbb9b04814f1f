"""aiohttp, behind SOCKS by aiohttp-socks, and behind HTTP by itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import TypeVar

import pytest
from aiohttp import BaseConnector, ClientHttpProxyError, ClientSession, ClientTimeout
from aiohttp_socks import ProxyConnector, ProxyError
from yarl import URL

from tests.integration.clients.conftest import StartWebServer
from tests.integration.clients.support.proof import came_through
from tests.integration.clients.support.site import Site
from tests.integration.conftest import StartPair
from tests.integration.support.pair import Pair
from tests.integration.support.targets import closed_port
from tests.integration.support.waiting import DEADLINE
from tests.support.pattern import pattern

pytestmark = [pytest.mark.integration, pytest.mark.timeout(60)]

T = TypeVar("T")
SIZE = 300_003
CLIENTS = 20


def run(test: Awaitable[T]) -> T:
    """Run it within the deadline."""

    async def within_deadline() -> T:
        async with asyncio.timeout(2 * DEADLINE):
            return await test

    return asyncio.run(within_deadline())


@asynccontextmanager
async def a_session(connector: BaseConnector | None = None) -> AsyncIterator[ClientSession]:
    timeout = ClientTimeout(total=DEADLINE)
    async with ClientSession(connector=connector, timeout=timeout) as session:
        yield session


async def get_all(session: ClientSession, urls: list[str], proxy: str | None = None) -> list[bytes]:
    """The bodies, fetched at the same time."""

    async def get(url: str) -> bytes:
        async with session.get(url, proxy=proxy) as answer:
            assert answer.status == 200
            return await answer.read()

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(get(url)) for url in urls]
    return [task.result() for task in tasks]


def urls(port: int) -> list[str]:
    hows = ["pattern", "chunked"] * (CLIENTS // 2)
    return [f"http://localhost:{port}/{how}/{i}/{SIZE}" for i, how in enumerate(hows)]


@pytest.mark.parametrize("scheme", ["socks5", "socks4", "http"])
def test_many_at_once_by_aiohttp_socks(
    pair: Pair, start_web_server: StartWebServer, scheme: str
) -> None:
    """Its `http` is a tunnel, by CONNECT."""
    port = start_web_server(Site()).port

    async def main() -> None:
        connector = ProxyConnector.from_url(f"{scheme}://{pair.proxy_text}", rdns=True)
        async with a_session(connector) as session:
            bodies = await get_all(session, urls(port))
        assert bodies == [pattern(i, 0, SIZE) for i in range(CLIENTS)]

    run(main())
    assert came_through(pair, port)


def test_many_at_once_forwarded(pair: Pair, start_web_server: StartWebServer) -> None:
    port = start_web_server(Site()).port

    async def main() -> None:
        async with a_session() as session:
            bodies = await get_all(session, urls(port), f"http://{pair.proxy_text}")
        assert bodies == [pattern(i, 0, SIZE) for i in range(CLIENTS)]

    run(main())
    assert came_through(pair, port)


@pytest.mark.parametrize("scheme", ["socks5", "http"])
def test_a_password(start_pair: StartPair, start_web_server: StartWebServer, scheme: str) -> None:
    guarded = start_pair(guest_options=("--user", "alice:sesame"))
    url = f"http://127.0.0.1:{start_web_server(Site()).port}/pattern/1/{SIZE}"

    async def ask(user: str) -> bytes:
        connector = ProxyConnector.from_url(f"{scheme}://{user}@{guarded.proxy_text}")
        async with a_session(connector) as session:
            [body] = await get_all(session, [url])
            return body

    assert run(ask("alice:sesame")) == pattern(1, 0, SIZE)
    with pytest.RaisesGroup(ProxyError):
        run(ask("alice:wrong"))


@pytest.mark.parametrize(
    ("scheme", "complaint"),
    [
        ("socks5", "Connection refused"),
        ("socks4", "rejected or failed"),
        ("http", "502"),
    ],
)
def test_a_refused_connection_is_told_as_one(pair: Pair, scheme: str, complaint: str) -> None:
    async def main(port: int) -> None:
        connector = ProxyConnector.from_url(f"{scheme}://{pair.proxy_text}")
        async with a_session(connector) as session:
            await session.get(f"http://127.0.0.1:{port}/")

    with closed_port() as (_, port), pytest.raises(ProxyError, match=complaint):
        run(main(port))


def test_https_is_told_of_a_refused_connection_too(pair: Pair) -> None:
    async def main(port: int) -> None:
        async with a_session() as session:
            await session.get(f"https://127.0.0.1:{port}/", proxy=URL(f"http://{pair.proxy_text}"))

    with closed_port() as (_, port), pytest.raises(ClientHttpProxyError, match="502"):
        run(main(port))
