"""A nameserver on loopback that does what a test wants: lie, be silent, say too little."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import dns.flags
import dns.message
import dns.rcode
import dns.rrset

from vsocks.address import Target

#: What to send for a query, message by message.
Script = Callable[[bytes], Sequence[bytes]]
_TRIES = 20


class ScriptedServer(asyncio.DatagramProtocol):
    """Answers by `script`; by TCP, if it does that at all, by `tcp_script`."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self.queries: list[bytes] = []
        self.tcp_queries: list[bytes] = []
        self.sources: list[int] = []
        self.asked = asyncio.Event()
        self.target = Target("127.0.0.1", 0)

    def connection_made(self, transport: Any) -> None:
        self.transport: asyncio.DatagramTransport = transport
        self.target = Target(*transport.get_extra_info("sockname"))

    def datagram_received(self, data: bytes, source: Any) -> None:
        self.queries.append(data)
        self.sources.append(source[1])
        self.asked.set()
        for message in self._script(data):
            self.transport.sendto(message, source)


@asynccontextmanager
async def scripted(
    script: Script, tcp_script: Script | None = None
) -> AsyncIterator[ScriptedServer]:
    """Run such a server while the context lasts."""
    server, listener = await _start(script, tcp_script)
    try:
        yield server
    finally:
        server.transport.close()
        if listener is not None:
            listener.close()
            await listener.wait_closed()


async def _start(
    script: Script, tcp_script: Script | None
) -> tuple[ScriptedServer, asyncio.Server | None]:
    """A server at a port that is free for UDP, and also for TCP if that is wanted."""
    loop = asyncio.get_running_loop()
    for _ in range(_TRIES):
        transport, server = await loop.create_datagram_endpoint(
            lambda: ScriptedServer(script), local_addr=("127.0.0.1", 0)
        )
        if tcp_script is None:
            return server, None
        try:
            return server, await _serve_tcp(server, tcp_script)
        except OSError:
            transport.close()
    raise AssertionError("no port is free for both")


async def _serve_tcp(server: ScriptedServer, script: Script) -> asyncio.Server:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        size = int.from_bytes(await reader.readexactly(2), "big")
        query = await reader.readexactly(size)
        server.tcp_queries.append(query)
        for message in script(query):
            writer.write(len(message).to_bytes(2, "big") + message)
        writer.close()
        await writer.wait_closed()

    return await asyncio.start_server(serve, server.target.host, server.target.port)


def silent(query: bytes) -> Sequence[bytes]:
    """Never answers."""
    return []


def an_address(query: bytes, address: str = "192.0.2.7") -> bytes:
    """The answer that says `address`, to a query for an address."""
    message = dns.message.make_response(dns.message.from_wire(query), recursion_available=True)
    name = message.question[0].name
    message.answer.append(dns.rrset.from_text(name, 60, "IN", "A", address))
    return bytes(message.to_wire())


def a_failure(query: bytes, rcode: dns.rcode.Rcode) -> bytes:
    """The answer that says nothing but how it went."""
    message = dns.message.make_response(dns.message.from_wire(query), recursion_available=True)
    message.set_rcode(rcode)
    return bytes(message.to_wire())


def cut_off(query: bytes) -> bytes:
    """The answer that is too long for UDP."""
    message = dns.message.make_response(dns.message.from_wire(query), recursion_available=True)
    message.flags |= dns.flags.TC
    return bytes(message.to_wire())
