"""The resolver's threads: results, bounds, cancelling, closing."""

import asyncio
import socket
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator, Sequence

import pytest
from aiohappyeyeballs import AddrInfoType

from vsocks.errors import BusyError
from vsocks.host.resolve import Resolver

pytestmark = pytest.mark.one_process

DEADLINE = 30.0  # seconds; reached only when a test fails


class SlowLookUp:
    """A look-up that takes as long as the test wants; each gives 127.0.0.1."""

    def __init__(self) -> None:
        self.begun: list[bytes] = []
        self.begins = threading.Semaphore(0)
        self.go_on = threading.Event()

    def __call__(self, name: bytes, port: int) -> Sequence[AddrInfoType]:
        self.begun.append(name)
        self.begins.release()
        assert self.go_on.wait(DEADLINE)
        return [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", ("127.0.0.1", port))]

    async def wait_until_begun(self) -> None:
        assert await asyncio.to_thread(self.begins.acquire, timeout=DEADLINE)


@pytest.fixture
def slow() -> Iterator[SlowLookUp]:
    look_up = SlowLookUp()
    yield look_up
    look_up.go_on.set()


@pytest.fixture
def make_resolver() -> Iterator[Callable[..., Resolver]]:
    made: list[Resolver] = []

    def make(**options: object) -> Resolver:
        made.append(Resolver(**options))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for resolver in made:
        resolver.close()


def run(test: Awaitable[None]) -> None:
    """Run ``test`` within the deadline; what fails in a callback of the loop fails it too."""
    failures: list[dict[str, object]] = []

    async def within_deadline() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: failures.append(context))
        async with asyncio.timeout(DEADLINE):
            await test

    asyncio.run(within_deadline())
    assert not failures


def resolver_threads() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name.startswith("resolver-")}


def test_the_hosts_file_is_asked(make_resolver: Callable[..., Resolver]) -> None:
    async def main() -> None:
        infos = await make_resolver(threads=1).resolve("localhost", 80)
        assert {info[4][0] for info in infos} <= {"127.0.0.1", "::1"}
        assert all(info[1] == socket.SOCK_STREAM and info[4][1] == 80 for info in infos)
        assert infos

    run(main())


@pytest.mark.parametrize("name", ["a..b", "a" * 70 + ".example", "bad name", "a\x00b", ""])
def test_a_name_that_cannot_be(name: str, make_resolver: Callable[..., Resolver]) -> None:
    async def main() -> None:
        with pytest.raises(socket.gaierror):
            await make_resolver(threads=1).resolve(name, 80)

    run(main())


def test_literals_need_no_thread(make_resolver: Callable[..., Resolver]) -> None:
    async def main() -> None:
        resolver = make_resolver(threads=0)
        [ipv4] = await resolver.resolve("192.0.2.1", 80)
        [ipv6] = await resolver.resolve("2001:DB8::1", 80)
        assert ipv4[::4] == (socket.AF_INET, ("192.0.2.1", 80))
        assert ipv6[::4] == (socket.AF_INET6, ("2001:db8::1", 80, 0, 0))

    run(main())


def test_too_many_are_refused_at_once(
    slow: SlowLookUp, make_resolver: Callable[..., Resolver]
) -> None:
    async def main() -> None:
        resolver = make_resolver(threads=1, pending=2, look_up=slow)
        async with asyncio.TaskGroup() as tasks:
            first = tasks.create_task(resolver.resolve("a.example", 1))
            second = tasks.create_task(resolver.resolve("b.example", 2))
            await slow.wait_until_begun()
            with pytest.raises(BusyError, match="2 look-ups are pending"):
                await resolver.resolve("c.example", 3)
            slow.go_on.set()
        assert [task.result()[0][4][1] for task in (first, second)] == [1, 2]
        assert await resolver.resolve("c.example", 3)

    run(main())


def test_a_cancelled_one_leaves_the_queue(
    slow: SlowLookUp, make_resolver: Callable[..., Resolver]
) -> None:
    async def main() -> None:
        resolver = make_resolver(threads=1, pending=2, look_up=slow)
        running = asyncio.create_task(resolver.resolve("running.example", 1))
        await slow.wait_until_begun()
        for _ in range(5):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(resolver.resolve("waiting.example", 1), 0.01)
        # One that runs can't be stopped, so it counts; but nobody waits for it.
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        last = asyncio.create_task(resolver.resolve("last.example", 1))
        await asyncio.sleep(0)
        with pytest.raises(BusyError):
            await resolver.resolve("more.example", 1)
        slow.go_on.set()
        await last
        await asyncio.sleep(0)
        assert slow.begun == [b"running.example", b"last.example"]

    run(main())


def test_look_ups_run_side_by_side(
    slow: SlowLookUp, make_resolver: Callable[..., Resolver]
) -> None:
    async def main() -> None:
        resolver = make_resolver(threads=3, look_up=slow)
        async with asyncio.TaskGroup() as tasks:
            for name in ("a.example", "b.example", "c.example"):
                tasks.create_task(resolver.resolve(name, 1))
            for _ in range(3):
                await slow.wait_until_begun()
            slow.go_on.set()

    run(main())


def test_names_whose_servers_are_silent_keep_no_other_waiting(
    slow: SlowLookUp, make_resolver: Callable[..., Resolver]
) -> None:
    def look_up(name: bytes, port: int) -> Sequence[AddrInfoType]:
        if name.startswith(b"silent"):
            return slow(name, port)
        return [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", ("127.0.0.2", port))]

    async def main() -> None:
        resolver = make_resolver(look_up=look_up)
        async with asyncio.TaskGroup() as tasks:
            for number in range(63):
                tasks.create_task(resolver.resolve(f"silent{number}.example", 1))
            for _ in range(63):
                await slow.wait_until_begun()
            [found] = await resolver.resolve("good.example", 1)
            assert found[4][0] == "127.0.0.2"
            slow.go_on.set()

    run(main())


def test_close_ends_the_threads_and_fails_who_waits(slow: SlowLookUp) -> None:
    before = resolver_threads()

    async def main() -> None:
        resolver = Resolver(threads=1, look_up=slow)
        idle = Resolver(threads=3)
        running = asyncio.create_task(resolver.resolve("running.example", 1))
        await slow.wait_until_begun()
        waiting = asyncio.create_task(resolver.resolve("waiting.example", 1))
        await asyncio.sleep(0)
        resolver.close()
        idle.close()
        with pytest.raises(BusyError, match="closed"):
            await waiting
        with pytest.raises(BusyError, match="closed"):
            await resolver.resolve("late.example", 1)
        slow.go_on.set()
        assert await running

    run(main())
    for thread in resolver_threads() - before:
        thread.join(DEADLINE)
    assert resolver_threads() <= before


def test_the_process_ends_while_a_lookup_hangs() -> None:
    program = """
import asyncio, threading
from vsocks.host.resolve import Resolver

begun = threading.Event()

def hang(name, port):
    begun.set()
    threading.Event().wait()

async def main():
    task = asyncio.create_task(Resolver(look_up=hang).resolve("a.example", 1))
    await asyncio.to_thread(begun.wait)
    task.cancel()

asyncio.run(main())
"""
    subprocess.run([sys.executable, "-c", program], timeout=DEADLINE, check=True)


def test_a_loop_that_is_gone_is_not_told(slow: SlowLookUp) -> None:
    """And the thread survives it: pytest makes a traceback in a thread an error."""
    before = resolver_threads()
    resolver = Resolver(threads=1, look_up=slow)

    async def give_up() -> None:
        task = asyncio.create_task(resolver.resolve("a.example", 1))
        await slow.wait_until_begun()
        task.cancel()

    run(give_up())
    slow.go_on.set()

    async def again() -> None:
        assert await resolver.resolve("b.example", 1)

    run(again())
    resolver.close()
    for thread in resolver_threads() - before:
        thread.join(DEADLINE)
