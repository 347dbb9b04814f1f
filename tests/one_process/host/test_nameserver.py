"""The host asks its nameservers: real ones, dead ones, and such that lie."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Iterator, Sequence
from pathlib import Path

import dns.flags
import dns.message
import dns.rcode
import pytest

from tests.integration.support.dnsmasq import TEXTS, dnsmasq
from tests.integration.support.scripted_dns import (
    Script,
    a_failure,
    an_address,
    cut_off,
    scripted,
    silent,
)
from tests.integration.support.turns import Turns
from tests.integration.support.waiting import DEADLINE
from vsocks.address import Target
from vsocks.dns_message import Rcode, rcode_of, with_id
from vsocks.errors import UsageError
from vsocks.host.nameserver import Nameserver
from vsocks.host.resolv_conf import ResolvConf, nameservers_in, parse_nameserver
from vsocks.policy.policy import Policy, Rule

pytestmark = [pytest.mark.one_process, pytest.mark.timeout(60)]

#: Seconds; short, for tests in which nobody answers.
IMPATIENT = 0.2
PATIENT = 10.0
OWN_MACHINE = [Target("127.0.0.1", 53)]


@pytest.fixture(scope="module")
def real_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    with dnsmasq(tmp_path_factory.mktemp("dnsmasq")) as target:
        yield target


def run(test: Awaitable[None]) -> None:
    async def within_deadline() -> None:
        async with asyncio.timeout(DEADLINE):
            await test

    asyncio.run(within_deadline())


def query(name: str = "www.example.test", kind: str = "A", **options: object) -> bytes:
    return bytes(dns.message.make_query(name, kind, **options).to_wire())  # type: ignore[arg-type]


def asking(
    *servers: Target, policy: Policy | None = None, patience: float = PATIENT, **options: object
) -> Nameserver:
    return Nameserver(lambda: servers, policy or Policy(), patience=patience, **options)  # type: ignore[arg-type]


async def ask(nameserver: Nameserver, asked: bytes) -> dns.message.Message:
    """The answer, which must be one to what was asked."""
    answer = dns.message.from_wire(await nameserver.answer(asked))
    assert dns.message.from_wire(asked).is_response(answer)
    return answer


def said(answer: dns.message.Message) -> list[str]:
    """The data of the answer's records."""
    return sorted(str(data) for rrset in answer.answer for data in rrset)


async def dead_port() -> Target:
    """Where nobody is."""
    with socket.socket(type=socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        return Target(*sock.getsockname())


@pytest.mark.parametrize(
    ("name", "kind", "data"),
    [
        ("www.example.test", "A", ["192.0.2.1"]),
        ("WWW.Example.TEST", "AAAA", ["2001:db8::1"]),
        ("alias.example.test", "A", ["192.0.2.1", "www.example.test."]),
        ("example.test", "MX", ["10 mail.example.test."]),
        ("_ldap._tcp.example.test", "SRV", ["5 100 389 dc.example.test."]),
        ("1.2.0.192.in-addr.arpa", "PTR", ["www.example.test."]),
    ],
)
def test_a_real_server_is_asked(real_server: Target, name: str, kind: str, data: list[str]) -> None:
    async def main() -> None:
        answer = await ask(asking(real_server), query(name, kind))
        assert answer.rcode() == dns.rcode.NOERROR
        assert said(answer) == data

    run(main())


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("edns", [False, True])
def test_a_long_answer_comes_whole(real_server: Target, name: str, edns: bool) -> None:
    """By TCP, where UDP doesn't carry it."""

    async def main() -> None:
        options = {"use_edns": 0, "payload": 1232} if edns else {}
        answer = await ask(asking(real_server), query(name, "TXT", **options))
        assert not answer.flags & dns.flags.TC
        assert said(answer) == sorted(f'"{text}"' for text in TEXTS[name])

    run(main())


def test_a_name_that_there_is_not(real_server: Target) -> None:
    async def main() -> None:
        answer = await ask(asking(real_server), query("nothing.example.test"))
        assert answer.rcode() == dns.rcode.NXDOMAIN

    run(main())


def test_what_the_policy_denies_is_not_asked_for() -> None:
    async def main() -> None:
        refused: list[str] = []
        policy = Policy([Rule.parse("deny", "*.secret.test")])
        async with scripted(lambda query: [an_address(query)]) as server:
            nameserver = asking(server.target, policy=policy, refused=refused.append)
            answer = await ask(nameserver, query("a.secret.test"))
            assert answer.rcode() == dns.rcode.REFUSED
            # What an address of the loopback is called is for nobody to know by default.
            answer = await ask(nameserver, query("1.0.0.127.in-addr.arpa", "PTR"))
            assert answer.rcode() == dns.rcode.REFUSED
            assert server.queries == []
            assert said(await ask(nameserver, query("a.open.test"))) == ["192.0.2.7"]
            assert len(server.queries) == 1
        assert refused == [
            "DNS query for a.secret.test: denied by 'deny *.secret.test'",
            "DNS query for 1.0.0.127.in-addr.arpa: denied by default: loopback (127.0.0.0/8)",
        ]

    run(main())


@pytest.mark.parametrize(
    ("asked", "rcode"),
    [
        (query() + b"x", Rcode.FORMERR),
        (query()[:-1], Rcode.FORMERR),
        (query("example.test", "AXFR"), Rcode.NOTIMP),
        (query()[:2] + b"\x28" + query()[3:], Rcode.NOTIMP),
    ],
    ids=["bytes behind", "bytes missing", "zone transfer", "update"],
)
def test_what_is_no_plain_query_stays_here(asked: bytes, rcode: Rcode) -> None:
    async def main() -> None:
        async with scripted(silent) as server:
            answer = await asking(server.target).answer(asked)
            assert rcode_of(answer) == rcode
            assert server.queries == []

    run(main())


def test_what_is_no_query_at_all_has_no_answer() -> None:
    async def main() -> None:
        nameserver = asking()
        for data in (b"", b"short", an_address(query())):
            assert await nameserver.answer(data) == b""

    run(main())


def test_a_dead_server_and_a_silent_one_are_told_apart_from_a_good_answer() -> None:
    async def main() -> None:
        async with scripted(silent) as server:
            for first in (await dead_port(), server.target):
                answer = await ask(asking(first, patience=IMPATIENT), query())
                assert answer.rcode() == dns.rcode.SERVFAIL
            # Asked twice, for a datagram may get lost.
            assert len(server.queries) == 2

    run(main())


def test_the_next_server_is_asked_when_one_says_nothing_or_that_it_failed() -> None:
    async def main() -> None:
        async with scripted(lambda query: [an_address(query)]) as good:
            first = await dead_port()
            assert said(await ask(asking(first, good.target), query())) == ["192.0.2.7"]
            async with scripted(silent) as server:
                nameserver = asking(server.target, good.target, patience=IMPATIENT)
                assert said(await ask(nameserver, query())) == ["192.0.2.7"]
            for rcode in (dns.rcode.SERVFAIL, dns.rcode.REFUSED, dns.rcode.NOTIMP):
                async with scripted(failing(rcode)) as server:
                    nameserver = asking(server.target, good.target)
                    assert said(await ask(nameserver, query())) == ["192.0.2.7"]

    run(main())


def test_the_third_server_is_asked_and_no_fourth() -> None:
    async def main() -> None:
        async with (
            scripted(silent) as first,
            scripted(failing(dns.rcode.REFUSED)) as second,
            scripted(lambda query: [an_address(query)]) as third,
        ):
            servers = first.target, second.target, third.target
            assert said(await ask(asking(*servers, patience=IMPATIENT), query())) == ["192.0.2.7"]
            dead = await dead_port(), await dead_port(), second.target
            answer = await ask(asking(*dead, third.target), query())
            assert answer.rcode() == dns.rcode.REFUSED
            assert len(third.queries) == 1

    run(main())


def test_a_server_whose_long_answer_cannot_be_had_is_followed_by_the_next() -> None:
    async def main() -> None:
        async with (
            scripted(lambda query: [cut_off(query)], None) as first,
            scripted(lambda query: [an_address(query)]) as second,
        ):
            assert said(await ask(asking(first.target, second.target), query())) == ["192.0.2.7"]

    run(main())


def failing(rcode: dns.rcode.Rcode) -> Script:
    return lambda query: [a_failure(query, rcode)]


def test_a_failure_is_passed_on_when_nobody_does_better() -> None:
    async def main() -> None:
        async with scripted(failing(dns.rcode.REFUSED)) as server:
            answer = await ask(asking(server.target), query())
            assert answer.rcode() == dns.rcode.REFUSED
            # It has answered: to ask it the same again would change nothing.
            assert len(server.queries) == 1
            nameserver = asking(await dead_port(), server.target)
            assert (await ask(nameserver, query())).rcode() == dns.rcode.REFUSED

    run(main())


def test_forged_answers_are_passed_over() -> None:
    def forging(asked: bytes) -> Sequence[bytes]:
        wrong_id = int.from_bytes(asked[:2], "big") ^ 1
        other_name = query("other.example.test")
        return [
            an_address(with_id(asked, wrong_id), "192.0.2.66"),
            an_address(with_id(other_name, int.from_bytes(asked[:2], "big")), "192.0.2.66"),
            asked,
            b"garbage",
            b"",
            an_address(asked),
            an_address(asked, "192.0.2.66"),
        ]

    async def main() -> None:
        async with scripted(forging) as server:
            assert said(await ask(asking(server.target), query())) == ["192.0.2.7"]

    run(main())


def test_an_answer_from_elsewhere_is_passed_over() -> None:
    """Even one with the right id: it has to come from the server that was asked."""

    async def main() -> None:
        async with scripted(silent) as elsewhere, scripted(silent) as server:
            pending = asyncio.create_task(asking(server.target, patience=IMPATIENT).answer(query()))
            await server.asked.wait()
            forged = an_address(server.queries[0], "192.0.2.66")
            elsewhere.transport.sendto(forged, ("127.0.0.1", server.sources[0]))
            assert dns.message.from_wire(await pending).rcode() == dns.rcode.SERVFAIL

    run(main())


def test_many_forged_answers_leave_others_their_turn() -> None:
    """And the clock its own: while more of them are there, receiving never has to wait."""

    async def main() -> None:
        async with scripted(lambda query: [b"garbage"] * 100 + [an_address(query)]) as server:
            async with Turns() as turns:
                assert said(await ask(asking(server.target), query())) == ["192.0.2.7"]
            assert turns.count >= 100

    run(main())


def test_neither_id_nor_port_is_the_guests_to_know() -> None:
    async def main() -> None:
        async with scripted(lambda query: [an_address(query)]) as server:
            nameserver = asking(server.target)
            asked = with_id(query(), 0x1234)
            for _ in range(20):
                await ask(nameserver, asked)
            ids = {message[:2] for message in server.queries}
            assert len(ids) > 10
            assert len(set(server.sources)) > 10
            # All else is as the guest sent it.
            assert {message[2:] for message in server.queries} == {asked[2:]}

    run(main())


def test_a_truncated_answer_is_asked_for_by_tcp() -> None:
    async def main() -> None:
        async with scripted(
            lambda query: [cut_off(query)], lambda query: [an_address(query)]
        ) as server:
            answer = await ask(asking(server.target), query())
            assert said(answer) == ["192.0.2.7"]
            assert not answer.flags & dns.flags.TC
            assert len(server.queries) == len(server.tcp_queries) == 1

    run(main())


@pytest.mark.parametrize(
    "tcp_script",
    [
        None,
        silent,
        lambda query: [b"garbage"],
        lambda query: [b""],
        lambda query: [an_address(with_id(query, int.from_bytes(query[:2], "big") ^ 1))],
    ],
    ids=["nobody there", "hangs up", "garbage", "nothing", "another id"],
)
def test_a_server_that_truncates_and_has_no_more_to_say(
    tcp_script: Script | None,
) -> None:
    async def main() -> None:
        async with scripted(lambda query: [cut_off(query)], tcp_script) as server:
            answer = await ask(asking(server.target, patience=IMPATIENT), query())
            assert answer.rcode() == dns.rcode.SERVFAIL

    run(main())


def test_more_than_the_limit_are_not_begun() -> None:
    async def main() -> None:
        noted: list[str] = []
        async with scripted(silent) as server:
            nameserver = asking(
                server.target, patience=IMPATIENT, max_pending=3, refused=noted.append
            )
            asked = [query(f"name{number}.example.test") for number in range(10)]
            answers = await asyncio.gather(*(nameserver.answer(each) for each in asked))
            assert {dns.message.from_wire(each).rcode() for each in answers} == {dns.rcode.SERVFAIL}
            assert len({message[12:] for message in server.queries}) == 3
            assert len(noted) == 7
            assert noted[0] == "DNS query for name3.example.test: 3 queries are pending"
        async with scripted(lambda query: [an_address(query)]) as server:
            nameserver = asking(server.target, max_pending=1)
            for each in asked:
                assert said(await ask(nameserver, each)) == ["192.0.2.7"]

    run(main())


def test_who_gives_up_leaves_room_and_nothing_open() -> None:
    async def main() -> None:
        async with scripted(silent) as server:
            nameserver = asking(server.target, max_pending=1)
            for _ in range(3):
                server.asked.clear()
                pending = asyncio.create_task(nameserver.answer(query()))
                await server.asked.wait()
                before = open_files()
                pending.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await pending
                assert open_files() == before - 1

    run(main())


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_hundreds_at_once(real_server: Target) -> None:
    async def main() -> None:
        nameserver = asking(real_server, max_pending=300)
        asked = [query(name) for name in ("www.example.test", "other.example.test") * 150]
        answers = await asyncio.gather(*(ask(nameserver, each) for each in asked))
        assert [said(answer) for answer in answers] == [["192.0.2.1"], ["192.0.2.2"]] * 150

    run(main())


def test_ipv6_servers_are_asked() -> None:
    async def main() -> None:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
            sock.bind(("::1", 0))
            sock.setblocking(False)
            server = Target(*sock.getsockname()[:2])
            pending = asyncio.create_task(ask(asking(server), query()))
            asked, source = await asyncio.get_running_loop().sock_recvfrom(sock, 4096)
            sock.sendto(an_address(asked), source)
            assert said(await pending) == ["192.0.2.7"]

    run(main())


# --- which servers ---


def test_resolv_conf_is_read_as_the_system_reads_it() -> None:
    text = """
# nameserver 192.0.2.9
; nameserver 192.0.2.9
search example.test
nameserver 192.0.2.1
nameserver\t 2001:db8::1   # a comment
nameserver fe80::1%eth0
nameserver
nameserver name.example.test
nameservers 192.0.2.9
options timeout:1
"""
    assert nameservers_in(text) == [
        Target("192.0.2.1", 53),
        Target("2001:db8::1", 53),
        Target("fe80::1%eth0", 53),
    ]
    assert list(nameservers_in("search example.test")) == OWN_MACHINE


def test_resolv_conf_is_read_again_when_it_has_changed(tmp_path: Path) -> None:
    path = tmp_path / "resolv.conf"
    configuration = ResolvConf(path)
    assert list(configuration.servers()) == OWN_MACHINE
    path.write_text("nameserver 192.0.2.1\n")
    assert configuration.servers() == [Target("192.0.2.1", 53)]
    assert configuration.servers() is configuration.servers()
    # As a network manager does it: another file in its place.
    new = tmp_path / "new"
    new.write_text("nameserver 192.0.2.2\n")
    new.rename(path)
    assert configuration.servers() == [Target("192.0.2.2", 53)]
    path.unlink()
    assert list(configuration.servers()) == OWN_MACHINE


def test_this_machines_own_configuration_names_a_server() -> None:
    assert all(server.port == 53 for server in ResolvConf().servers())
    assert ResolvConf().servers()


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("192.0.2.1", Target("192.0.2.1", 53)),
        ("192.0.2.1:5353", Target("192.0.2.1", 5353)),
        ("2001:db8::1", Target("2001:db8::1", 53)),
        ("[2001:db8::1]", Target("2001:db8::1", 53)),
        ("[2001:db8::1]:5353", Target("2001:db8::1", 5353)),
        ("fe80::1%eth0", Target("fe80::1%eth0", 53)),
    ],
)
def test_a_nameserver_on_the_command_line(text: str, target: Target) -> None:
    assert parse_nameserver(text) == target


@pytest.mark.parametrize(
    "text",
    [
        *("", ":53", "name.example", "192.0.2.1:", "192.0.2.1:0", "192.0.2.1:65536"),
        *("192.0.2.1:x", "[2001:db8::1", "[2001:db8::1]x53", "[2001:db8::1]:", "[]:53", "192.0.2"),
    ],
)
def test_what_is_no_nameserver(text: str) -> None:
    with pytest.raises(UsageError, match="is no nameserver: "):
        parse_nameserver(text)
