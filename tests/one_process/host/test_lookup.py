"""Look-ups of names and addresses alone: what they give, what the policy says, their bounds."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator, Sequence
from ipaddress import ip_address
from typing import Any

import pytest
from aiohappyeyeballs import AddrInfoType

from tests.integration.support.waiting import DEADLINE
from vsocks.errors import BusyError
from vsocks.host.lookup import LookUp, LookUpError
from vsocks.host.resolve import Resolver
from vsocks.policy.policy import Policy, Rule
from vsocks.reply import Reply

pytestmark = [pytest.mark.one_process, pytest.mark.timeout(60)]

MakeResolver = Callable[..., Resolver]
LOOPBACK = ip_address("127.0.0.1")
PUBLIC = ip_address("192.0.2.1")


@pytest.fixture
def make_resolver() -> Iterator[MakeResolver]:
    made: list[Resolver] = []

    def make(**options: Any) -> Resolver:
        made.append(Resolver(**options))
        return made[-1]

    yield make
    for resolver in made:
        resolver.close()


def run(test: Awaitable[None]) -> None:
    async def within_deadline() -> None:
        async with asyncio.timeout(DEADLINE):
            await test

    asyncio.run(within_deadline())


def policy(*rules: str) -> Policy:
    """``policy("deny *")``."""
    return Policy(
        [
            Rule.parse("allow" if rule.startswith("allow") else "deny", rule.partition(" ")[2])
            for rule in rules
        ]
    )


def knowing(*addresses: str) -> Callable[[bytes, int], Sequence[AddrInfoType]]:
    """A look-up that gives these for any name."""

    def look_up(name: bytes, port: int) -> Sequence[AddrInfoType]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (text, port)) for text in addresses]

    return look_up


def never(*arguments: object) -> Any:
    raise AssertionError("it was looked up")


async def failure_of(look_up: Awaitable[Any]) -> LookUpError:
    with pytest.raises(LookUpError) as caught:
        await look_up
    assert caught.value.reason.isprintable()
    assert len(caught.value.reason) < 500
    return caught.value


# --- addresses of a name ---


def test_the_system_is_asked(make_resolver: MakeResolver) -> None:
    async def main() -> None:
        addresses = await LookUp(Policy(), make_resolver()).addresses("localhost")
        assert addresses
        assert {str(address) for address in addresses} <= {"127.0.0.1", "::1"}

    run(main())


def test_the_addresses_come_once_each_in_their_order(make_resolver: MakeResolver) -> None:
    async def main() -> None:
        found = knowing("192.0.2.2", "2001:db8::1", "192.0.2.2", "fe80::1%eth0", "192.0.2.1")
        look_up = LookUp(Policy(), make_resolver(look_up=found))
        addresses = await look_up.addresses("www.example")
        assert [str(each) for each in addresses] == [
            *("192.0.2.2", "2001:db8::1", "fe80::1", "192.0.2.1")
        ]

    run(main())


def test_an_address_is_its_own(make_resolver: MakeResolver) -> None:
    async def main() -> None:
        look_up = LookUp(policy("deny *"), make_resolver(look_up=never))
        assert await look_up.addresses("192.0.2.1") == [PUBLIC]

    run(main())


def test_a_name_that_is_denied_is_not_looked_up(make_resolver: MakeResolver) -> None:
    async def main() -> None:
        look_up = LookUp(policy("deny *.secret.example"), make_resolver(look_up=never))
        failure = await failure_of(look_up.addresses("www.secret.example"))
        assert failure.reply == Reply.NOT_ALLOWED
        assert failure.reason == (
            "look-up of www.secret.example: denied by 'deny *.secret.example'"
        )

    run(main())


def test_a_name_that_there_is_not(make_resolver: MakeResolver) -> None:
    def unknown(name: bytes, port: int) -> Sequence[AddrInfoType]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    async def main() -> None:
        look_up = LookUp(Policy(), make_resolver(look_up=unknown))
        failure = await failure_of(look_up.addresses("nothing.example"))
        assert failure.reply == Reply.HOST_UNREACHABLE
        assert failure.reason == "look-up of nothing.example: Name or service not known"

    run(main())


@pytest.mark.parametrize(
    "name",
    [
        "",
        "two words",
        "a\nline: refused",
        "\x00",
        "x" * 300,
        "n" * 70_000,
        " " * 70_000,
        "a%b",
        "ü" * 90,
    ],
)
def test_a_name_that_cannot_be(name: str, make_resolver: MakeResolver) -> None:
    """Nor does it get into the log as it is."""

    async def main() -> None:
        look_up = LookUp(policy("deny *"), make_resolver(look_up=never))
        failure = await failure_of(look_up.addresses(name))
        assert failure.reply == Reply.HOST_UNREACHABLE

    run(main())


# --- the name of an address ---


def test_the_system_is_asked_for_a_name(make_resolver: MakeResolver) -> None:
    """By the hosts file: the loopback has a name everywhere, here by a rule that allows it."""

    async def main() -> None:
        look_up = LookUp(policy("allow 127.0.0.1"), make_resolver())
        assert (
            await look_up.name_of(LOOPBACK)
            == socket.getnameinfo(("127.0.0.1", 0), socket.NI_NAMEREQD)[0]
        )

    run(main())


@pytest.mark.parametrize(("rules", "address"), [((), LOOPBACK), (("deny 192.0.2.0/24",), PUBLIC)])
def test_an_address_that_is_denied_has_no_name(
    rules: Sequence[str], address: Any, make_resolver: MakeResolver
) -> None:
    async def main() -> None:
        look_up = LookUp(policy(*rules), make_resolver(reverse_look_up=never))
        failure = await failure_of(look_up.name_of(address))
        assert failure.reply == Reply.NOT_ALLOWED
        assert failure.reason.startswith(f"look-up of {address}: denied by ")

    run(main())


@pytest.mark.parametrize(
    "name", ["10.0.0.1", "::1", "two words", "a\nb", "", "x" * 300, "n\udcff", "a;b"]
)
def test_what_cannot_be_a_name_is_none(name: str, make_resolver: MakeResolver) -> None:
    """Whoever serves the address's zone writes there what he likes."""

    async def main() -> None:
        look_up = LookUp(Policy(), make_resolver(reverse_look_up=lambda _: name))
        failure = await failure_of(look_up.name_of(PUBLIC))
        assert failure.reply == Reply.HOST_UNREACHABLE

    run(main())


def test_an_address_without_a_name(make_resolver: MakeResolver) -> None:
    def unknown(address: str) -> str:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    async def main() -> None:
        failure = await failure_of(
            LookUp(Policy(), make_resolver(reverse_look_up=unknown)).name_of(PUBLIC)
        )
        assert failure.reply == Reply.HOST_UNREACHABLE
        assert failure.reason == "look-up of 192.0.2.1: Name or service not known"

    run(main())


# --- bounds ---


def test_both_kinds_share_the_bound_and_the_time(make_resolver: MakeResolver) -> None:
    go_on = threading.Event()

    def slow(address: str) -> str:
        assert go_on.wait(DEADLINE)
        return "late.example"

    async def main() -> None:
        resolver = make_resolver(
            threads=1, pending=1, look_up=knowing("192.0.2.1"), reverse_look_up=slow
        )
        try:
            look_up = LookUp(Policy(), resolver, timeout=0.1)
            failure = await failure_of(look_up.name_of(PUBLIC))
            assert failure.reply == Reply.TTL_EXPIRED
            assert failure.reason == "look-up of 192.0.2.1: no answer within 0.1 s"
            # The thread is still at it, and counts: it can't be stopped.
            for more in (look_up.addresses("www.example"), look_up.name_of(PUBLIC)):
                failure = await failure_of(more)
                assert failure.reply == Reply.GENERAL_FAILURE
                assert failure.reason.endswith(": 1 look-ups are pending")
        finally:
            go_on.set()
        while True:
            try:
                assert await resolver.name_of(PUBLIC) == "late.example"
            except BusyError:
                await asyncio.sleep(0.01)
            else:
                break

    run(main())
