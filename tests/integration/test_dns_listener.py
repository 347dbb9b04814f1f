"""The guest's DNS port, asked by dig and dnspython, joined to the host's nameserver."""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import dns.asyncquery
import dns.flags
import dns.message
import dns.rcode
import pytest

from tests.integration.support.dnsmasq import TEXTS, dnsmasq
from tests.integration.support.scripted_dns import an_address
from tests.integration.support.turns import Turns
from tests.integration.support.waiting import DEADLINE
from vsocks.address import Target
from vsocks.errors import BusyError, SessionLostError, VsocksError
from vsocks.guest.dns import Ask, DnsLimits, DnsListener
from vsocks.host.nameserver import Nameserver
from vsocks.policy.policy import Policy, Rule

pytestmark = [pytest.mark.integration, pytest.mark.timeout(60)]

ANY_PORT = ("127.0.0.1", 0)


@pytest.fixture(scope="module")
def real_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    with dnsmasq(tmp_path_factory.mktemp("dnsmasq")) as target:
        yield target


@pytest.fixture(autouse=True)
def nothing_ugly_in_the_log(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """asyncio tells there of exceptions that nobody took."""
    yield
    assert [record.getMessage() for record in caplog.records if record.name == "asyncio"] == []


def run(test: Awaitable[None]) -> None:
    async def within_deadline() -> None:
        async with asyncio.timeout(DEADLINE):
            await test

    asyncio.run(within_deadline())


@asynccontextmanager
async def listening(
    ask: Ask, address: tuple[str, int] = ANY_PORT, **limits: Any
) -> AsyncIterator[DnsListener]:
    """A listener that runs while the context lasts."""
    before = asyncio.all_tasks()
    listener = DnsListener(address, ask, DnsLimits(**limits))
    listener.start()
    running = asyncio.create_task(listener.run())
    try:
        yield listener
    finally:
        assert not running.done()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        assert running.cancelled()
        assert asyncio.all_tasks() <= before, "the listener left a task behind"


def host_asking(server: Target, *denied: str) -> Ask:
    """The host's side, without the wire between."""
    policy = Policy([Rule.parse("deny", text) for text in denied])
    return Nameserver(lambda: [server], policy).answer


async def address_of(query: bytes) -> bytes:
    """An ask that has an answer at once."""
    return an_address(query)


def query(name: str = "www.example.test", kind: str = "A", **options: Any) -> bytes:
    return bytes(dns.message.make_query(name, kind, **options).to_wire())


def said(answer: dns.message.Message) -> list[str]:
    return sorted(str(data) for rrset in answer.answer for data in rrset)


async def by_udp(
    listener: DnsListener, name: str = "www.example.test", kind: str = "A", **options: Any
) -> dns.message.Message:
    host, port = listener.address
    asked = dns.message.make_query(name, kind, **options)
    return await dns.asyncquery.udp(asked, host, timeout=DEADLINE, port=port)


async def by_tcp(
    listener: DnsListener, name: str = "www.example.test", kind: str = "A", **options: Any
) -> dns.message.Message:
    host, port = listener.address
    asked = dns.message.make_query(name, kind, **options)
    return await dns.asyncquery.tcp(asked, host, timeout=DEADLINE, port=port)


async def dig(listener: DnsListener, *arguments: str) -> str:
    """What dig prints."""
    host, port = listener.address
    process = await asyncio.create_subprocess_exec(
        *("dig", f"@{host}", "-p", str(port), "+tries=1", f"+time={DEADLINE:.0f}", *arguments),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    printed, _ = await process.communicate()
    assert process.returncode == 0, printed
    return printed.decode()


# --- real clients, a real server ---


@pytest.mark.parametrize("way", ["+notcp", "+tcp"])
@pytest.mark.parametrize(
    ("asked", "data"),
    [
        (["www.example.test", "A"], "192.0.2.1"),
        (["www.example.test", "AAAA"], "2001:db8::1"),
        (["alias.example.test", "A"], "www.example.test.\n192.0.2.1"),
        (["example.test", "MX"], "10 mail.example.test."),
        (["_ldap._tcp.example.test", "SRV"], "5 100 389 dc.example.test."),
        (["-x", "192.0.2.1"], "www.example.test."),
    ],
    ids=["A", "AAAA", "CNAME", "MX", "SRV", "PTR"],
)
def test_dig(real_server: Target, asked: list[str], data: str, way: str) -> None:
    async def main() -> None:
        async with listening(host_asking(real_server)) as listener:
            assert (await dig(listener, "+short", way, *asked)).strip() == data

    run(main())


def test_dig_sees_a_nameserver_like_another(real_server: Target) -> None:
    async def main() -> None:
        async with listening(host_asking(real_server, "*.secret.test")) as listener:
            printed = await dig(listener, "nothing.example.test")
            assert "status: NXDOMAIN" in printed
            printed = await dig(listener, "a.secret.test")
            assert "status: REFUSED" in printed
            assert "WARNING" not in printed
            assert "EDNS: version: 0" in printed
            printed = await dig(listener, "+opcode=UPDATE", "example.test")
            assert "status: NOTIMP" in printed
            assert "Transfer failed." in await dig(listener, "example.test", "AXFR")

    run(main())


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("options", [["+noedns"], ["+bufsize=1232"], ["+bufsize=4096"]])
def test_dig_turns_to_tcp_for_what_is_too_long(
    real_server: Target, name: str, options: list[str]
) -> None:
    async def main() -> None:
        async with listening(host_asking(real_server)) as listener:
            printed = await dig(listener, "+short", *options, name, "TXT")
            # dig says of itself when it has to, by a comment.
            lines = [line for line in printed.splitlines() if not line.startswith(";;")]
            assert sorted(lines) == sorted(f'"{text}"' for text in TEXTS[name])
            assert "WARNING" not in printed

    run(main())


@pytest.mark.parametrize(
    ("name", "payload", "fits"),
    [
        ("www.example.test", None, True),
        ("txt3.example.test", None, False),
        ("txt3.example.test", 1232, True),
        ("txt8.example.test", 1232, False),
        ("txt8.example.test", 4096, False),
        ("txt120.example.test", 65535, False),
    ],
)
def test_by_udp_goes_what_the_client_takes(
    real_server: Target, name: str, payload: int | None, fits: bool
) -> None:
    async def main() -> None:
        options = {} if payload is None else {"use_edns": 0, "payload": payload}
        async with listening(host_asking(real_server)) as listener:
            answer = await by_udp(listener, name, "TXT", **options)
            assert bool(answer.flags & dns.flags.TC) != fits
            assert answer.edns == (-1 if payload is None else 0)
            if not fits:
                assert not answer.answer
                whole = await by_tcp(listener, name, "TXT", **options)
                assert not whole.flags & dns.flags.TC
                assert said(whole) == sorted(f'"{text}"' for text in TEXTS[name])

    run(main())


def test_hundreds_at_once(real_server: Target) -> None:
    async def main() -> None:
        async with listening(host_asking(real_server), queries=64) as listener:
            # More at a time than the limit would be dropped, as UDP does.
            gate = asyncio.Semaphore(64)

            async def one(name: str) -> list[str]:
                async with gate:
                    return said(await by_udp(listener, name))

            names = ["www.example.test", "other.example.test"] * 200
            answers = await asyncio.gather(*(one(name) for name in names))
            assert answers == [["192.0.2.1"], ["192.0.2.2"]] * 200

    run(main())


# --- when there is no answer ---


def raising(error: BaseException) -> Ask:
    async def ask(query: bytes) -> bytes:
        raise error

    return ask


async def forever(query: bytes) -> bytes:
    await asyncio.Event().wait()
    raise AssertionError


async def of_something_else(query: bytes) -> bytes:
    return an_address(bytes((query[0] ^ 1,)) + query[1:])


async def of_nothing(query: bytes) -> bytes:
    return b""


@pytest.mark.parametrize(
    "ask",
    [
        raising(BusyError("no session")),
        raising(SessionLostError("it is over")),
        raising(TimeoutError()),
        raising(ConnectionResetError()),
        forever,
        of_something_else,
        of_nothing,
    ],
    ids=["no session", "lost", "late", "reset", "never", "of something else", "of nothing"],
)
def test_without_an_answer_it_is_servfail(ask: Ask) -> None:
    async def main() -> None:
        async with listening(ask, answer_timeout=0.2) as listener:
            for way in (by_udp, by_tcp):
                answer = await way(listener, use_edns=0)
                assert answer.rcode() == dns.rcode.SERVFAIL
                assert answer.edns == 0

    run(main())


def test_garbage_is_told_so_or_passed_over() -> None:
    async def main() -> None:
        asked: list[bytes] = []

        async def ask(query: bytes) -> bytes:
            asked.append(query)
            return an_address(query)

        async with listening(ask) as listener, datagrams(listener) as (sock, receive):
            good = query()
            for silent in (b"", b"x", bytes(11), an_address(good)):
                sock.send(silent)
            sock.send(good + b"x")
            assert await receive() == good[:2] + b"\x81\x81" + good[4:]
            sock.send(good[:2] + b"\x29\x00" + good[4:])
            assert await receive() == good[:2] + b"\xa9\x84" + good[4:]
            sock.send(good[:12] + bytes(60_000))
            assert (await receive())[3] & 15 == dns.rcode.FORMERR
            # And what is good comes after it.
            sock.send(good)
            assert await receive() == an_address(good)
            assert asked == [good]

    run(main())


@asynccontextmanager
async def datagrams(
    listener: DnsListener,
) -> AsyncIterator[tuple[socket.socket, Callable[[], Awaitable[bytes]]]]:
    """A client's socket, and what receives on it."""
    with socket.socket(type=socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        sock.connect(listener.address)
        yield sock, lambda: asyncio.get_running_loop().sock_recv(sock, 65535)


def test_a_client_that_has_gone_harms_nobody() -> None:
    async def main() -> None:
        async with listening(address_of) as listener:
            for _ in range(20):
                async with datagrams(listener) as (sock, _):
                    sock.send(query())
            assert said(await by_udp(listener)) == ["192.0.2.7"]

    run(main())


def test_many_datagrams_leave_others_their_turn() -> None:
    """Though while more of them are there, receiving never has to wait."""

    async def main() -> None:
        async with listening(address_of) as listener, datagrams(listener) as (sock, receive):
            async with Turns() as turns:
                for _ in range(100):
                    sock.send(b"garbage")
                sock.send(query())
                await receive()
            assert turns.count >= 100

    run(main())


def test_many_queries_on_a_connection_leave_others_their_turn() -> None:
    async def main() -> None:
        async with listening(address_of) as listener:
            reader, writer = await asyncio.open_connection(*listener.address)
            async with Turns() as turns:
                writer.write(framed(*[query() + b"malformed"] * 100))
                for _ in range(100):
                    await read_answer(reader)
            assert turns.count >= 100
            writer.close()
            await writer.wait_closed()

    run(main())


# --- bounds ---


class Gate:
    """An ask whose answers come when the test wants."""

    def __init__(self) -> None:
        self.begun = asyncio.Semaphore(0)
        self.opened = asyncio.Event()
        self.count = 0

    async def __call__(self, query: bytes) -> bytes:
        self.count += 1
        self.begun.release()
        await self.opened.wait()
        return an_address(query)

    async def wait_for(self, count: int) -> None:
        for _ in range(count):
            await self.begun.acquire()


def test_queries_beyond_the_limit_are_dropped_by_udp_and_fail_by_tcp() -> None:
    async def main() -> None:
        gate = Gate()
        async with listening(gate, queries=5) as listener, datagrams(listener) as (sock, receive):
            asked = [query(f"name{number}.example.test") for number in range(12)]
            for each in asked:
                sock.send(each)
            await gate.wait_for(5)
            answer = await by_tcp(listener)
            assert answer.rcode() == dns.rcode.SERVFAIL
            gate.opened.set()
            answers = [await receive() for _ in range(5)]
            assert sorted(answers) == sorted(an_address(each) for each in asked[:5])
            # There is room again, and nothing of the rest was kept.
            assert said(await by_udp(listener)) == ["192.0.2.7"]
            assert gate.count == 6

    run(main())


def framed(*messages: bytes) -> bytes:
    return b"".join(struct.pack(">H", len(message)) + message for message in messages)


async def read_answer(reader: asyncio.StreamReader) -> bytes:
    size = int.from_bytes(await reader.readexactly(2), "big")
    return await reader.readexactly(size)


def test_queries_on_one_connection_are_all_answered() -> None:
    """However they are cut, and also when they come all at once (RFC 7766, section 6.2.1.1)."""

    async def main() -> None:
        async with listening(address_of) as listener:
            reader, writer = await asyncio.open_connection(*listener.address)
            asked = [query(f"name{number}.example.test") for number in range(50)]
            writer.write(framed(*asked))
            assert [await read_answer(reader) for _ in asked] == [an_address(q) for q in asked]
            for at in range(len(framed(asked[0]))):
                writer.write(framed(asked[0])[at : at + 1])
                await writer.drain()
            assert await read_answer(reader) == an_address(asked[0])
            # What is malformed has its answer, and what follows it, too.
            writer.write(framed(asked[0] + b"x", asked[1]))
            assert (await read_answer(reader))[3] & 15 == dns.rcode.FORMERR
            assert await read_answer(reader) == an_address(asked[1])
            # A client may end its side with the last query.
            writer.write(framed(asked[2]))
            writer.write_eof()
            assert await read_answer(reader) == an_address(asked[2])
            assert await reader.read() == b""
            writer.close()
            await writer.wait_closed()

    run(main())


@pytest.mark.parametrize(
    "data",
    [b"\x00", b"\x00\x00", framed(b"x" * 11), framed(an_address(query())), b"\xff\xff" + bytes(99)],
    ids=["half a length", "length 0", "no header", "an answer", "half a message"],
)
def test_a_connection_that_brings_no_query_is_closed(data: bytes) -> None:
    async def main() -> None:
        async with listening(address_of, idle_timeout=0.2) as listener:
            reader, writer = await asyncio.open_connection(*listener.address)
            writer.write(data)
            assert await reader.read() == b""
            writer.close()
            await writer.wait_closed()

    run(main())


def test_a_client_that_does_not_read_its_answers_is_let_go() -> None:
    async def main() -> None:
        async def much(query: bytes) -> bytes:
            return an_address(query) + bytes(60_000)

        async with listening(much, idle_timeout=0.3) as listener:
            with socket.socket() as sock:
                sock.setblocking(False)
                loop = asyncio.get_running_loop()
                await loop.sock_connect(sock, listener.address)
                with pytest.raises(OSError, match=r"reset|Broken pipe"):  # noqa: PT012
                    while True:
                        await loop.sock_sendall(sock, framed(*[query()] * 1000))

    run(main())


def test_connections_beyond_the_limit_are_closed() -> None:
    async def main() -> None:
        async with listening(address_of, clients=2) as listener:
            first = [await asyncio.open_connection(*listener.address) for _ in range(2)]
            asked = query()
            for reader, writer in first:
                writer.write(framed(asked))
                assert await read_answer(reader) == an_address(asked)
            reader, writer = await asyncio.open_connection(*listener.address)
            assert await reader.read() == b""
            for _, each in [*first, (reader, writer)]:
                each.close()
                await each.wait_closed()

    run(main())


# --- the port ---


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_udp_and_tcp_are_at_the_same_port(host: str, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        caplog.set_level(logging.INFO)
        async with listening(address_of, (host, 0)) as listener:
            assert listener.address[0] == host
            assert listener.address[1] > 0
            assert said(await by_udp(listener)) == said(await by_tcp(listener)) == ["192.0.2.7"]
            port = listener.address[1]
        where = f"[::1]:{port}" if host == "::1" else f"127.0.0.1:{port}"
        assert f"listening for DNS on {where}" in caplog.messages

    run(main())


@pytest.mark.parametrize("kind", [socket.SOCK_DGRAM, socket.SOCK_STREAM])
def test_a_port_that_is_in_use(kind: socket.SocketKind) -> None:
    with socket.socket(type=kind) as sock:
        sock.bind(ANY_PORT)
        if kind == socket.SOCK_STREAM:
            sock.listen()
        address = sock.getsockname()
        with pytest.raises(VsocksError, match=f":{address[1]}: the address is in use"):
            DnsListener(address, address_of).start()


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        (("192.0.2.1", 5353), "it is no address of this machine"),
        (("127.0.0.1", 70_000), "port must be 0-65535"),
    ],
)
def test_an_address_that_cannot_be_had(address: tuple[str, int], reason: str) -> None:
    listener = DnsListener(address, address_of)
    with pytest.raises(VsocksError, match=f"^can't listen for DNS on {address[0]}:.*{reason}"):
        listener.start()


def test_the_port_is_free_again_after_the_end() -> None:
    async def main() -> None:
        async with listening(address_of) as listener:
            address = listener.address
            assert said(await by_tcp(listener)) == ["192.0.2.7"]
        async with listening(address_of, address) as listener:
            assert said(await by_udp(listener)) == ["192.0.2.7"]

    run(main())


def test_a_listener_that_is_not_run_can_be_closed() -> None:
    listener = DnsListener(ANY_PORT, address_of)
    listener.close()
    listener.start()
    address = listener.address
    listener.close()
    again = DnsListener(address, address_of)
    again.start()
    again.close()


def test_what_is_pending_at_the_end_is_given_up() -> None:
    async def main() -> None:
        gate = Gate()
        async with listening(gate) as listener, datagrams(listener) as (sock, _):
            sock.send(query())
            _, writer = await asyncio.open_connection(*listener.address)
            writer.write(framed(query()))
            await gate.wait_for(2)
        writer.close()
        await asyncio.gather(writer.wait_closed(), return_exceptions=True)

    run(main())
