"""Servers in the event loop that do what a test says, and clients that say raw bytes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
Address = tuple[str, int]


@contextlib.asynccontextmanager
async def serving(serve: Serve) -> AsyncIterator[Address]:
    """A server on the loopback; each connection is closed when ``serve`` has ended."""

    async def each(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await serve(reader, writer)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(each, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[:2]
    finally:
        server.close()


def answering(*answers: bytes) -> Serve:
    """One answer to the head of each request, on one connection."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answer in answers:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer)

    return serve


@contextlib.asynccontextmanager
async def client(
    address: Address, says: bytes = b""
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection that has said so much."""
    reader, writer = await asyncio.open_connection(*address)
    try:
        writer.write(says)
        yield reader, writer
    finally:
        writer.close()


async def all_of_it(address: Address, says: bytes) -> bytes:
    """What comes back for that, until the other side ends."""
    async with client(address, says) as (reader, _):
        return await reader.read(-1)


def url(address: Address, path: str = "/") -> bytes:
    return f"http://{address[0]}:{address[1]}{path}".encode()
