"""What the system says of the sockets that both daemons make, accept and connect."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.one_process.conftest import Run, until
from tests.one_process.pair import LOOPBACK, echo_server, pair
from tests.support import socks_async
from tests.support.socks_messages import BIND, UDP_ASSOCIATE
from vsocks.address import Target
from vsocks.aio import socket_options
from vsocks.channel import open_source, parse_spec
from vsocks.guest.daemon import GuestConfig
from vsocks.host.config import HostConfig
from vsocks.host.forwards import Forward
from vsocks.protocol.endpoint import Wire

pytestmark = [pytest.mark.one_process, pytest.mark.timeout(60)]

ANY = ("127.0.0.1", 0)


@dataclass(frozen=True)
class Seen:
    """A socket of this process, by what the system says of it."""

    family: int
    kind: int
    local: Any
    peer: Any
    listens: bool
    blocks: bool
    is_inherited: bool
    no_delay: bool
    keepalive: bool
    reuses_address: bool
    is_ipv6_alone: bool
    send_buffer: int
    receive_buffer: int


def sockets() -> list[Seen]:
    """All of this process, the tests' own and the event loop's among them."""
    found: list[Seen] = []
    for path in Path("/proc/self/fd").iterdir():
        # The folder itself was open, and is gone by now.
        with contextlib.suppress(OSError):
            if path.readlink().name.startswith("socket:"):
                found.append(look_at(int(path.name)))
    return found


def look_at(fd: int) -> Seen:
    with socket.socket(fileno=os.dup(fd)) as sock:

        def is_on(level: int, option: int) -> bool:
            try:
                return bool(sock.getsockopt(level, option))
            except OSError:
                return False

        try:
            peer = sock.getpeername()
        except OSError:
            peer = None
        return Seen(
            sock.family,
            sock.type,
            sock.getsockname(),
            peer,
            listens=is_on(socket.SOL_SOCKET, socket.SO_ACCEPTCONN),
            blocks=os.get_blocking(fd),
            is_inherited=os.get_inheritable(fd),
            no_delay=is_on(socket.IPPROTO_TCP, socket.TCP_NODELAY),
            keepalive=is_on(socket.SOL_SOCKET, socket.SO_KEEPALIVE),
            reuses_address=is_on(socket.SOL_SOCKET, socket.SO_REUSEADDR),
            is_ipv6_alone=is_on(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY),
            send_buffer=sock.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF),
            receive_buffer=sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF),
        )


def one(**properties: Any) -> Seen:
    """The only socket that is so."""
    [found] = [
        seen
        for seen in sockets()
        if all(getattr(seen, name) == value for name, value in properties.items())
    ]
    return found


def check(seen: Seen) -> None:
    """What holds for all of them."""
    assert not seen.blocks, seen
    assert not seen.is_inherited, seen
    if seen.family == socket.AF_INET6:
        assert seen.is_ipv6_alone or seen.peer, seen


def check_connected(seen: Seen) -> None:
    check(seen)
    assert seen.no_delay, seen
    assert seen.keepalive, seen


def check_datagrams(seen: Seen) -> None:
    check(seen)
    with socket.socket(seen.family, socket.SOCK_DGRAM) as usual:
        by_default = usual.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
    assert seen.receive_buffer > by_default, seen


def check_listening(seen: Seen) -> None:
    check(seen)
    assert seen.reuses_address, seen


def test_a_clients_and_a_targets_connection(run: Run[None]) -> None:
    async def through() -> None:
        async with pair() as both, echo_server() as target:
            _, writer = await socks_async.connect(both.proxy, target)
            check_connected(one(peer=writer.get_extra_info("sockname")))
            check_connected(one(peer=target))
            check_listening(one(local=both.proxy, listens=True))
            writer.close()

    run(through())


def test_a_target_that_is_found_by_its_name(run: Run[None]) -> None:
    """Which may have several addresses, so another way connects to it."""

    async def through() -> None:
        async with pair() as both, echo_server() as target:
            _, writer = await socks_async.connect(both.proxy, ("localhost", target[1]))
            check_connected(one(peer=target))
            writer.close()

    run(through())


def test_ipv6_alone(run: Run[None]) -> None:
    async def through() -> None:
        guest = GuestConfig(Wire.AUTO, listen=(("::1", 0),), dns=("::1", 0))
        async with pair(guest=guest) as both, echo_server() as target:
            _, writer = await socks_async.connect(both.proxy, target)
            check_connected(one(peer=writer.get_extra_info("sockname")))
            listening = [seen for seen in sockets() if seen.listens and seen.local[0] == "::1"]
            assert len(listening) == 2
            for seen in listening:
                check_listening(seen)
            [udp] = [seen for seen in sockets() if seen.kind == socket.SOCK_DGRAM]
            check_datagrams(udp)
            writer.close()

    run(through())


def test_a_forwarded_port(run: Run[None]) -> None:
    async def through() -> None:
        async with echo_server() as target:
            exposed = Target(*target)
            guest = GuestConfig(Wire.AUTO, listen=(ANY,), exposed=(exposed,))
            host = HostConfig(Wire.AUTO, LOOPBACK, forwards=(Forward(ANY, exposed),))
            async with pair(guest=guest, host=host) as both:
                known = {target, both.proxy}
                [port] = [seen for seen in sockets() if seen.listens and seen.local not in known]
                check_listening(port)
                reader, writer = await asyncio.open_connection(*port.local)
                writer.write(b"x")
                assert await reader.readexactly(1) == b"x"
                check_connected(one(peer=writer.get_extra_info("sockname")))
                check_connected(one(peer=target))
                writer.close()

    run(through())


def test_a_target_that_comes_to_the_host(run: Run[None]) -> None:
    async def through() -> None:
        host = HostConfig(Wire.AUTO, LOOPBACK, bind_address="127.0.0.1")
        async with pair(host=host) as both:
            reader, writer = await socks_async.request(both.proxy, ANY, command=BIND)
            waits = await socks_async.read_answer(reader)
            check_listening(one(local=waits.address, listens=True))
            _, target = await asyncio.open_connection(*waits.address)
            came = await socks_async.read_answer(reader)
            assert came == (0, *target.get_extra_info("sockname"))
            check_connected(one(peer=target.get_extra_info("sockname")))
            target.close()
            writer.close()

    run(through())


def test_datagrams(run: Run[None]) -> None:
    async def through() -> None:
        async with pair() as both:
            nowhere = ("0.0.0.0", 0)
            reader, writer = await socks_async.request(both.proxy, nowhere, command=UDP_ASSOCIATE)
            assert (await socks_async.read_answer(reader)).reply == 0
            found = [seen for seen in sockets() if seen.kind == socket.SOCK_DGRAM]
            # The guest's, and the host's of each version of IP.
            assert sorted(seen.family for seen in found)[:2] == [socket.AF_INET, socket.AF_INET]
            for seen in found:
                check_datagrams(seen)
            writer.close()

    run(through())


class Nameserver(asyncio.DatagramProtocol):
    """Says by UDP that the answer is too long for it, and looks at who asks."""

    def __init__(self) -> None:
        self.asked: list[Seen] = []

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self.transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.asked.append(one(local=addr, kind=socket.SOCK_DGRAM))
        self.transport.sendto(answer_to(data, truncated=True), addr)

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """By TCP it fits."""
        size = int.from_bytes(await reader.readexactly(2), "big")
        query = await reader.readexactly(size)
        self.asked.append(one(local=writer.get_extra_info("peername")))
        writer.write(size.to_bytes(2, "big") + answer_to(query, truncated=False))
        writer.close()


def answer_to(query: bytes, *, truncated: bool) -> bytes:
    flags = 0x82 if truncated else 0x80
    return query[:2] + bytes((query[2] | flags,)) + query[3:]


@contextlib.asynccontextmanager
async def nameserver() -> AsyncIterator[tuple[Nameserver, Target]]:
    server = Nameserver()
    tcp = await asyncio.start_server(server.answer, *ANY)
    address = tcp.sockets[0].getsockname()
    loop = asyncio.get_running_loop()
    udp, _ = await loop.create_datagram_endpoint(lambda: server, local_addr=address)
    try:
        yield server, Target(*address)
    finally:
        udp.close()
        tcp.close()


QUERY = b"\x00\x07\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x07example\x03com\x00\x00\x01\x00\x01"


def test_dns(run: Run[None]) -> None:
    async def through() -> None:
        async with nameserver() as (server, address):
            guest = GuestConfig(Wire.AUTO, listen=(ANY,), dns=ANY)
            host = HostConfig(Wire.AUTO, LOOPBACK, nameserver=address)
            async with pair(guest=guest, host=host) as both:
                known = {(address.host, address.port), both.proxy}
                [port] = [seen for seen in sockets() if seen.listens and seen.local not in known]
                check_listening(port)
                check_datagrams(one(local=port.local, kind=socket.SOCK_DGRAM))
                reader, writer = await asyncio.open_connection(*port.local)
                writer.write(len(QUERY).to_bytes(2, "big") + QUERY)
                await until(lambda: len(server.asked) == 2)
                by_udp, by_tcp = server.asked
                check_datagrams(by_udp)
                check_connected(by_tcp)
                check_connected(one(peer=writer.get_extra_info("sockname")))
                assert (await reader.readexactly(4))[2:] == QUERY[:2]
                writer.close()

    run(through())


def test_a_tcp_channel(run: Run[None]) -> None:
    async def through() -> None:
        with socket.create_server(ANY) as taken:
            port = taken.getsockname()[1]
        listens = open_source(parse_spec(f"tcp-listen:127.0.0.1:{port}"))
        connects = open_source(parse_spec(f"tcp:127.0.0.1:{port}"))
        await listens.start()
        check_listening(one(local=("127.0.0.1", port)))
        channels = await asyncio.gather(listens.open(), connects.open())
        check_connected(one(local=("127.0.0.1", port), listens=False))
        check_connected(one(peer=("127.0.0.1", port)))
        for channel in channels:
            await channel.close()
        await listens.close()

    run(through())


def test_a_unix_channel(run: Run[None], tmp_path: Path) -> None:
    async def through() -> None:
        path = str(tmp_path / "channel")
        listens = open_source(parse_spec(f"unix-listen:{path}"))
        connects = open_source(parse_spec(f"unix:{path}"))
        await listens.start()
        check(one(local=path))
        channels = await asyncio.gather(listens.open(), connects.open())
        with socket.socket(socket.AF_UNIX) as usual:
            by_default = usual.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)
        for seen in one(local=path, listens=False), one(peer=path):
            check(seen)
            assert seen.send_buffer > by_default
        for channel in channels:
            await channel.close()
        await listens.close()

    run(through())


def test_options_are_set_nowhere_else() -> None:
    package = Path(socket_options.__file__).parents[1]
    setting = [path for path in package.rglob("*.py") if "setsockopt" in path.read_text("utf-8")]
    assert setting == [Path(socket_options.__file__)]
