"""The dialer against real loopback sockets: the truth about failures, and no leaks.

Names come from a table instead of DNS; the threads, the policy and the sockets are real.
"""

import asyncio
import contextlib
import errno
import os
import resource
import socket
import threading
from collections.abc import Awaitable, Iterator, Sequence
from pathlib import Path

import pytest
from aiohappyeyeballs import AddrInfoType

from vsocks.address import Target
from vsocks.host.dial import Dialer
from vsocks.host.resolve import Resolver
from vsocks.policy.policy import Policy, Rule
from vsocks.reply import DialError, Reply
from vsocks.token_bucket import TokenBucket

pytestmark = pytest.mark.one_process

DEADLINE = 30.0  # seconds; reached only when a test fails
LOOPBACK = ("allow 127.0.0.0/8", "allow ::1")


class Names:
    """A look-up in a table: name to addresses."""

    def __init__(self, **table: list[str]) -> None:
        self.table = {name.replace("_", ".").encode(): found for name, found in table.items()}
        self.asked: list[bytes] = []

    def __call__(self, name: bytes, port: int) -> Sequence[AddrInfoType]:
        self.asked.append(name)
        if name not in self.table:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [
            socket.getaddrinfo(
                address,
                port,
                type=socket.SOCK_STREAM,
                proto=socket.IPPROTO_TCP,
                flags=socket.AI_NUMERICHOST,
            )[0]
            for address in self.table[name]
        ]


class Listeners:
    """Sockets that listen, all on the same port, and ones that never answer."""

    def __init__(self, stack: contextlib.ExitStack) -> None:
        self._stack = stack
        self.port = 0

    def open(self, host: str, backlog: int = 128) -> socket.socket:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = self._stack.enter_context(socket.socket(family))
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, self.port))
        self.port = listener.getsockname()[1]
        listener.listen(backlog)
        return listener

    def open_mute(self, host: str) -> None:
        """Linux drops the handshakes that a full backlog has no place for."""
        self.open(host, backlog=0)
        for _ in range(3):
            filler = self._stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex((host, self.port))


@pytest.fixture
def listeners() -> Iterator[Listeners]:
    with contextlib.ExitStack() as stack:
        yield Listeners(stack)


@contextlib.contextmanager
def dialer(
    *rules: str,
    names: Names | None = None,
    timeout: float = DEADLINE,
    head_start: float = 0.05,
    max_addresses: int = 8,
    attempts: TokenBucket | None = None,
) -> Iterator[Dialer]:
    parsed = []
    for rule in rules or LOOPBACK:
        verb, _, text = rule.partition(" ")
        parsed.append(Rule.parse("allow" if verb == "allow" else "deny", text))
    resolver = Resolver(threads=2, look_up=names or Names())
    try:
        policy = Policy(parsed)
        yield Dialer(policy, resolver, timeout, head_start, max_addresses, attempts=attempts)
    finally:
        resolver.close()


def run(test: Awaitable[None]) -> None:
    async def within_deadline() -> None:
        async with asyncio.timeout(2 * DEADLINE):
            await test

    asyncio.run(within_deadline())


def sockets_open() -> int:
    count = 0
    for link in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            count += str(link.readlink()).startswith("socket:")
    return count


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


async def failure_of(dialing: Awaitable[socket.socket]) -> DialError:
    with pytest.raises(DialError) as caught:
        await dialing
    return caught.value


def ipv6_is_missing() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return True
    return False


needs_ipv6 = pytest.mark.skipif(ipv6_is_missing(), reason="this machine has no ::1")


@pytest.mark.parametrize(
    "host", ["127.0.0.1", pytest.param("::1", marks=needs_ipv6), "one.example", "two.example"]
)
def test_connected_as_promised(host: str, listeners: Listeners) -> None:
    listener = listeners.open("::1" if host == "::1" else "127.0.0.1")
    names = Names(one_example=["127.0.0.1"], two_example=["127.0.0.1", "::1"])

    async def main() -> None:
        with dialer(names=names) as dial:
            sock = await dial.dial(Target(host, listeners.port))
        with sock:
            assert sock.getpeername() == listener.getsockname()
            assert not sock.getblocking()
            assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)

    run(main())


@pytest.mark.parametrize("host", ["127.0.0.1", "one.example"])
def test_refused(host: str) -> None:
    async def main() -> None:
        port = closed_port()
        with dialer(names=Names(one_example=["127.0.0.1"])) as dial:
            error = await failure_of(dial.dial(Target(host, port)))
        assert error.reply is Reply.CONNECTION_REFUSED
        assert error.reason == f"{host}:{port}: Connection refused"

    run(main())


def test_an_unknown_name() -> None:
    async def main() -> None:
        with dialer() as dial:
            error = await failure_of(dial.dial(Target("nobody.example", 80)))
        assert error.reply is Reply.HOST_UNREACHABLE
        assert error.reason == "nobody.example:80: Name or service not known"

    run(main())


def test_denied_by_address() -> None:
    async def main() -> None:
        with dialer("deny 10.0.0.0/8") as dial:
            error = await failure_of(dial.dial(Target("10.1.2.3", 80)))
            assert error.reply is Reply.NOT_ALLOWED
            assert error.reason == "10.1.2.3:80: denied by 'deny 10.0.0.0/8'"
            error = await failure_of(dial.dial(Target("127.0.0.1", 80)))
            assert "denied by default: loopback" in error.reason

    run(main())


def test_a_name_of_denied_addresses_is_denied(listeners: Listeners) -> None:
    listener = listeners.open("127.0.0.1")
    listener.setblocking(False)
    names = Names(evil_example=["127.0.0.1", "::ffff:127.0.0.1", "::1"])

    async def main() -> None:
        with dialer("allow 10.0.0.0/8", names=names) as dial:
            error = await failure_of(dial.dial(Target("evil.example", listeners.port)))
        assert error.reply is Reply.NOT_ALLOWED
        assert "127.0.0.1 denied by default: loopback" in error.reason
        assert "(and 2 more)" in error.reason
        with pytest.raises(BlockingIOError):
            listener.accept()

    run(main())


def test_only_the_permitted_addresses_of_a_name_are_dialled(listeners: Listeners) -> None:
    denied = listeners.open("127.0.0.2")
    listeners.open("127.0.0.3")
    denied.setblocking(False)
    names = Names(both_example=["127.0.0.2", "127.0.0.3"])

    async def main() -> None:
        with dialer(*LOOPBACK, "deny 127.0.0.2", names=names) as dial:
            sock = await dial.dial(Target("both.example", listeners.port))
        with sock:
            assert sock.getpeername()[0] == "127.0.0.3"
        with pytest.raises(BlockingIOError):
            denied.accept()
        assert names.asked == [b"both.example"], "a second look-up could be answered differently"

    run(main())


def test_an_allowed_name_opens_nothing_of_this_machine(listeners: Listeners) -> None:
    """Whoever serves the name may have it point anywhere."""
    listeners.open("127.0.0.1")
    names = Names(good_example=["127.0.0.1"])

    async def main() -> None:
        target = Target("good.example", listeners.port)
        for rules in (["deny *", "allow good.example"], ["allow *.example"], ["allow *"]):
            with dialer(*rules, names=names) as dial:
                assert (await failure_of(dial.dial(target))).reply is Reply.NOT_ALLOWED
        with dialer("deny *", "allow 127.0.0.1", "allow good.example", names=names) as dial:
            (await dial.dial(target)).close()

    run(main())


def test_a_name_denied_in_any_case_is_not_looked_up() -> None:
    names = Names()

    async def main() -> None:
        with dialer("deny *", names=names) as dial:
            error = await failure_of(dial.dial(Target("secret.example", 80)))
        assert error.reply is Reply.NOT_ALLOWED
        assert error.reason == "secret.example:80: denied by 'deny *'"
        assert not names.asked

    run(main())


def test_a_dead_address_only_delays(listeners: Listeners) -> None:
    listeners.open("127.0.0.3")
    listeners.open_mute("127.0.0.2")
    names = Names(half_example=["127.0.0.2", "127.0.0.3"])

    async def main() -> None:
        before = sockets_open()
        with dialer(names=names) as dial:
            sock = await dial.dial(Target("half.example", listeners.port))
        with sock:
            assert sock.getpeername()[0] == "127.0.0.3"
            assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert sockets_open() == before

    run(main())


def test_addresses_that_fail_differently_give_the_most_telling_reply() -> None:
    # The broadcast address needs a permission that no TCP socket has.
    names = Names(mixed_example=["255.255.255.255", "127.0.0.1"])

    async def main() -> None:
        port = closed_port()
        with dialer("allow 0.0.0.0/0", names=names) as dial:
            error = await failure_of(dial.dial(Target("mixed.example", port)))
        assert error.reply is Reply.CONNECTION_REFUSED
        assert "Connection refused" in error.reason
        assert error.reason.count(", ") == 1
        assert "Errno" not in error.reason

    run(main())


def test_addresses_that_fail_alike_give_one_reason() -> None:
    names = Names(dead_example=["127.0.0.1", "127.0.0.2"])

    async def main() -> None:
        port = closed_port()
        with dialer(names=names) as dial:
            error = await failure_of(dial.dial(Target("dead.example", port)))
        assert error.reply is Reply.CONNECTION_REFUSED
        assert error.reason == f"dead.example:{port}: Connection refused"

    run(main())


@needs_ipv6
def test_of_thousands_of_addresses_only_some_are_tried(listeners: Listeners) -> None:
    addresses = [f"127.0.1.{number}" for number in range(1, 5)]
    for address in addresses[2:]:
        listeners.open(address)
    listeners.open("::1")
    names = Names(scan_example=addresses, both_example=[*addresses, "::1"])

    async def main() -> None:
        with dialer(names=names, max_addresses=2) as dial:
            error = await failure_of(dial.dial(Target("scan.example", listeners.port)))
            assert error.reply is Reply.CONNECTION_REFUSED
            # Of each version: the others must not crowd out what works.
            (await dial.dial(Target("both.example", listeners.port))).close()

    run(main())


@pytest.mark.parametrize("host", ["127.0.0.2", "one.example", "two.example"])
def test_a_timeout_leaks_nothing(host: str, listeners: Listeners) -> None:
    listeners.open_mute("127.0.0.2")
    listeners.open_mute("127.0.0.3")
    names = Names(one_example=["127.0.0.2"], two_example=["127.0.0.2", "127.0.0.3"])

    async def main() -> None:
        before = sockets_open()
        with dialer(names=names, timeout=0.2) as dial:
            error = await failure_of(dial.dial(Target(host, listeners.port)))
        assert error.reply is Reply.TTL_EXPIRED
        assert error.reason == f"{host}:{listeners.port}: no answer within 0.2 s of connecting"
        assert sockets_open() == before

    run(main())


def test_the_timeout_covers_the_lookup() -> None:
    release = threading.Event()

    class Slow(Names):
        def __call__(self, name: bytes, port: int) -> Sequence[AddrInfoType]:
            assert release.wait(DEADLINE)
            return super().__call__(name, port)

    async def main() -> None:
        with dialer(names=Slow(), timeout=0.1) as dial:
            error = await failure_of(dial.dial(Target("slow.example", 80)))
            release.set()
        assert error.reply is Reply.TTL_EXPIRED
        assert "looking up its name" in error.reason

    run(main())


def test_a_busy_resolver_is_a_general_failure() -> None:
    async def main() -> None:
        resolver = Resolver(threads=0, pending=0)
        error = await failure_of(Dialer(Policy(), resolver).dial(Target("a.example", 80)))
        assert error.reply is Reply.GENERAL_FAILURE
        assert "pending" in error.reason

    run(main())


@pytest.mark.parametrize("host", ["127.0.0.2", "127.0.0.3", "two.example"])
def test_cancelled_at_any_moment_nothing_leaks(host: str, listeners: Listeners) -> None:
    """Against a target that answers and one that doesn't, after 0, 1, 2… turns of the loop."""
    listeners.open_mute("127.0.0.2")
    listeners.open("127.0.0.3")
    names = Names(two_example=["127.0.0.2", "127.0.0.3"])

    async def main() -> None:
        with dialer(names=names, head_start=0.0) as dial:
            before = sockets_open()
            for turns in range(60):
                task = asyncio.create_task(dial.dial(Target(host, listeners.port)))
                for _ in range(turns):
                    await asyncio.sleep(0)
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    (await task).close()
            assert sockets_open() == before

    run(main())


def test_no_file_descriptor_left_is_told_as_it_is() -> None:
    async def main() -> None:
        with dialer() as dial:
            soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
            resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
            try:
                error = await failure_of(dial.dial(Target("127.0.0.1", 80)))
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert error.reply is Reply.GENERAL_FAILURE
        assert os.strerror(errno.EMFILE) in error.reason

    run(main())


# -- what a name with many addresses costs --------------------------------------------------


def open_files() -> int:
    """How many this process has."""
    return len(list(Path("/proc/self/fd").iterdir()))


def test_each_address_but_the_first_takes_from_the_rate(listeners: Listeners) -> None:
    addresses = [f"127.0.0.{number}" for number in range(1, 9)]
    port = listeners.open("127.0.0.1").getsockname()[1]
    listeners.open("127.0.0.9")
    many = Names(many_test=[*addresses[1:], "127.0.0.1"])
    rate = TokenBucket(0.001, burst=3)

    async def try_it() -> None:
        with dialer(names=many, attempts=rate) as each:
            with pytest.raises(DialError, match="temporarily"):
                await each.dial(Target("many.test", port))
            assert not rate.take(now=0.0)

    run(try_it())


def test_few_addresses_are_tried_at_once(listeners: Listeners) -> None:
    listeners.open_mute("127.0.0.1")
    for number in range(2, 9):
        listeners.open_mute(f"127.0.0.{number}")
    mute = Names(mute_test=[f"127.0.0.{number}" for number in range(1, 9)])

    async def try_it() -> None:
        with dialer(names=mute, timeout=1.0, head_start=0.01) as each:
            before = open_files()
            dialling = asyncio.ensure_future(each.dial(Target("mute.test", listeners.port)))
            most = 0
            while not dialling.done():
                most = max(most, open_files() - before)
                await asyncio.sleep(0.005)
            with pytest.raises(DialError):
                await dialling
            assert 2 <= most <= 4

    run(try_it())
