"""The ledger: however a connection ends, it is counted once, and nothing of it stays."""

from __future__ import annotations

import pytest

from tests.one_process.conftest import Run, until
from tests.one_process.pair import LOOPBACK, Pair, echo_server, pair
from tests.one_process.targets import client
from tests.support import socks_async
from tests.support.socks_messages import BIND, UDP_ASSOCIATE, RefusedError, Reply
from vsocks.address import Target
from vsocks.audit.record import Kind
from vsocks.guest.daemon import GuestConfig
from vsocks.host.associations import DatagramLimits
from vsocks.host.config import HostConfig
from vsocks.host.forwards import Forward
from vsocks.protocol.endpoint import Wire

pytestmark = [pytest.mark.one_process, pytest.mark.timeout(60)]


def results(two: Pair, kind: Kind) -> dict[str, int]:
    return dict(two.host.ledger.accounts[kind].results)


def test_connections_that_stood_and_that_did_not(run: Run[None]) -> None:
    async def connect() -> None:
        async with echo_server() as target, pair() as two:
            _, writer = await socks_async.connect(two.proxy, target)
            [entry] = two.host.ledger.entries
            assert (entry.kind, entry.target) == (Kind.CONNECT, Target(*target))
            assert entry.address == Target(*target)
            assert two.host.ledger.find(entry.id) is entry
            writer.close()
            assert await socks_async.ask(two.proxy, ("169.254.1.1", 1)) is Reply.NOT_ALLOWED
            assert await socks_async.ask(two.proxy, ("no.invalid", 1)) is Reply.HOST_UNREACHABLE
            await until(lambda: not two.host.ledger.entries)
            assert two.host.ledger.find(entry.id) is None
            assert results(two, Kind.CONNECT) == {
                "connected": 1,
                "not-allowed": 1,
                "host-unreachable": 1,
            }

    run(connect())


def test_one_that_is_lost_with_its_session(run: Run[None]) -> None:
    async def lose() -> None:
        async with echo_server() as target, pair() as two:
            reader, writer = await socks_async.connect(two.proxy, target)
            writer.write(b"hello")
            assert await reader.readexactly(5) == b"hello"
            two.host.drop_channel()
            await until(lambda: not two.host.ledger.entries)
            assert two.host.ledger.moved()[Kind.CONNECT] == (5, 5)
            assert results(two, Kind.CONNECT) == {"connected": 1}
            sessions = two.host.link.sessions
            two.rejoin()
            await until(lambda: two.host.link.sessions == sessions + 1)
            writer.close()

    run(lose())


def test_one_that_nobody_waits_for_any_more(run: Run[None]) -> None:
    """Nobody comes to a BIND, so it is being made until its client leaves."""

    async def leave() -> None:
        host = HostConfig(Wire.AUTO, LOOPBACK, bind_address="127.0.0.1")
        async with pair(host=host) as two:
            reader, writer = await socks_async.request(two.proxy, ("127.0.0.1", 1), command=BIND)
            await socks_async.read_answer(reader)
            [entry] = two.host.ledger.entries
            assert not entry.is_connected
            writer.close()
            await until(lambda: not two.host.ledger.entries)
            assert results(two, Kind.BIND) == {"abandoned": 1}

    run(leave())


def test_forwards_that_the_guest_takes_and_refuses(run: Run[None]) -> None:
    async def forward() -> None:
        async with echo_server() as target:
            taken, refused = Target(*target), Target("127.0.0.1", 1)
            ours = ("127.0.0.1", 0)
            guest = GuestConfig(Wire.AUTO, listen=(ours,), exposed=(taken,))
            host = HostConfig(
                Wire.AUTO, LOOPBACK, forwards=(Forward(ours, taken), Forward(ours, refused))
            )
            async with pair(guest=guest, host=host) as two:
                good, bad = two.host.forwarded
                async with client(good, b"hello") as (reader, writer):
                    assert await reader.readexactly(5) == b"hello"
                    [entry] = two.host.ledger.entries
                    assert entry.client == Target(*writer.get_extra_info("sockname"))
                async with client(bad) as (reader, _):
                    with pytest.raises(ConnectionResetError):
                        await reader.read()
                await until(lambda: not two.host.ledger.entries)
                assert results(two, Kind.FORWARD) == {"connected": 1, "not-allowed": 1}
                assert two.host.ledger.moved()[Kind.FORWARD] == (5, 5)

    run(forward())


def test_associations_and_what_is_too_much(run: Run[None]) -> None:
    async def associate() -> None:
        host = HostConfig(Wire.AUTO, LOOPBACK, connect_rate=0.2, datagrams=DatagramLimits(1))
        async with pair(host=host) as two:
            reader, writer = await socks_async.request(
                two.proxy, ("0.0.0.0", 0), command=UDP_ASSOCIATE
            )
            assert (await socks_async.read_answer(reader)).reply is Reply.SUCCEEDED
            [entry] = two.host.ledger.entries
            assert (entry.kind, entry.is_connected) == (Kind.ASSOCIATION, True)
            more, again = await socks_async.request(
                two.proxy, ("0.0.0.0", 0), command=UDP_ASSOCIATE
            )
            assert (await socks_async.read_answer(more)).reply is Reply.GENERAL_FAILURE
            again.close()
            writer.close()
            await until(lambda: not two.host.ledger.entries)
            assert results(two, Kind.ASSOCIATION) == {"connected": 1}
            for _ in range(3):
                with pytest.raises(RefusedError):
                    await socks_async.connect(two.proxy, ("169.254.1.1", 1))
            assert two.host.ledger.refusals == {Kind.ASSOCIATION: 1, Kind.CONNECT: 2}

    run(associate())
