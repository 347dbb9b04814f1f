"""The overlapped channel over a driver that behaves as Windows' does."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.channel.vioserial import ERROR_ACCESS_DENIED, FakeDriver, FakeHandle, WindowsError
from tests.windows.awaited_channel import AwaitedChannel
from vsocks.channel.overlapped import ERROR_TIMEOUT, MAX_WRITE, OverlappedSource, off_loop

pytestmark = pytest.mark.unit

T = TypeVar("T")
DEADLINE = 10.0


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    async def with_deadline() -> T:
        async with asyncio.timeout(DEADLINE):
            return await coroutine

    return asyncio.run(with_deadline())


async def until(condition: Callable[[], object]) -> None:
    """Give others their turns until something is so."""
    while not condition():  # noqa: ASYNC110 - there is no event for what the fake driver does
        await asyncio.sleep(0.001)


async def opened(driver: FakeDriver) -> tuple[OverlappedSource, AwaitedChannel]:
    driver.connect()
    source = OverlappedSource(driver.open)
    await source.start()
    return source, AwaitedChannel(await source.open())


async def read_exactly(channel: AwaitedChannel, size: int, step: int = 70_000) -> bytes:
    got = bytearray()
    buffer = memoryview(bytearray(step))
    while len(got) < size:
        got += buffer[: await channel.read_into(buffer)]
    return bytes(got)


def pattern(size: int) -> bytes:
    return bytes(itertools.islice(itertools.cycle(range(251)), size))


def test_bytes_both_ways() -> None:
    async def both_ways() -> None:
        driver = FakeDriver()
        source, channel = await opened(driver)
        driver.send(pattern(100_000))
        assert await read_exactly(channel, 100_000) == pattern(100_000)
        await channel.write(memoryview(pattern(3 * MAX_WRITE + 5)))
        await channel.close()
        assert driver.to_host == pattern(3 * MAX_WRITE + 5)
        assert max(map(len, driver.writes)) <= MAX_WRITE
        await source.close()
        assert driver.handle is None

    run(both_ways())


def test_one_read_takes_all_that_waits() -> None:
    async def take_all() -> None:
        driver = FakeDriver()
        _, channel = await opened(driver)
        driver.send(pattern(40_000))
        assert await channel.read_into(memoryview(bytearray(100_000))) == 40_000

    run(take_all())


@given(st.lists(st.binary(min_size=1, max_size=9000), max_size=8), st.integers(1, 9000))
def test_any_chunks_come_through_whole(chunks: list[bytes], step: int) -> None:
    async def through() -> None:
        driver = FakeDriver()
        _, channel = await opened(driver)
        for chunk in chunks:
            driver.send(chunk)
        sent = b"".join(chunks)
        assert await read_exactly(channel, len(sent), step) == sent
        for chunk in chunks:
            await channel.write(memoryview(chunk))
        await channel.close()
        assert driver.to_host == sent

    run(through())


# -- the host comes and goes ---------------------------------------------------------------


def test_no_host_yet(caplog: pytest.LogCaptureFixture) -> None:
    """Reads are refused at once until there is one; then the channel is open."""
    caplog.set_level("INFO", "vsocks")

    async def host_comes_late() -> None:
        driver = FakeDriver()
        source = OverlappedSource(driver.open)
        opening = asyncio.ensure_future(source.open())
        await asyncio.sleep(0.05)
        assert not opening.done()
        driver.connect()
        channel = AwaitedChannel(await opening)
        driver.send(b"hello")
        assert await read_exactly(channel, 5) == b"hello"
        assert driver.opened == 1

    run(host_comes_late())
    assert caplog.messages == ["no host is connected to the port yet"]


def test_what_is_written_is_a_copy() -> None:
    async def changed_afterwards() -> None:
        driver = FakeDriver()
        _, channel = await opened(driver)
        driver.full_is_1450 = True
        data = bytearray(b"right")
        assert channel.write_now(memoryview(data)) == 5
        data[:] = b"wrong"
        driver.full_is_1450 = False
        await until(lambda: driver.to_host)
        assert driver.to_host == b"right"

    run(changed_afterwards())


@pytest.mark.parametrize("full", [False, True], ids=["552", "1450"])
def test_a_refused_write_is_tried_again_and_nothing_passes_it(full: bool) -> None:
    async def refused() -> None:
        driver = FakeDriver()
        driver.connect()
        _, channel = await opened(driver)
        driver.full_is_1450 = full
        driver.host = full
        assert channel.write_now(memoryview(b"first")) == 5
        assert channel.write_now(memoryview(b"second")) == 0
        await asyncio.sleep(0.05)
        assert driver.writes == []
        driver.full_is_1450 = False
        driver.connect()
        await channel.write(memoryview(b"second"))
        await until(lambda: len(driver.to_host) == 11)
        assert driver.writes == [b"first", b"second"]

    run(refused())


def test_a_host_that_goes_ends_the_channel_when_a_write_is_refused() -> None:
    """A pending read isn't completed by that; it serves the next host."""

    async def host_goes() -> None:
        driver = FakeDriver()
        source, channel = await opened(driver)
        driver.send(b"x")
        assert await read_exactly(channel, 1) == b"x"
        reading = asyncio.ensure_future(read_exactly(channel, 1))
        await asyncio.sleep(0)
        driver.disconnect()
        await asyncio.sleep(0.05)
        assert not reading.done()
        channel.write_now(memoryview(b"ping"))
        with pytest.raises(ConnectionResetError, match="the host has disconnected"):
            await reading
        await channel.close()
        channel = AwaitedChannel(await source.open())
        driver.connect()
        driver.send(b"y")
        assert await read_exactly(channel, 1) == b"y"
        assert driver.opened == 1
        await until(lambda: driver.to_host)
        assert driver.to_host == b"ping"

    run(host_goes())


def test_a_host_that_goes_ends_the_channel_when_a_read_is_refused() -> None:
    async def host_goes() -> None:
        driver = FakeDriver()
        source, channel = await opened(driver)
        driver.send(b"x")
        driver.disconnect()
        assert await read_exactly(channel, 1) == b"x"
        with pytest.raises(ConnectionResetError):
            await read_exactly(channel, 1)
        await channel.close()
        opening = asyncio.ensure_future(source.open())
        await asyncio.sleep(0.05)
        assert not opening.done()
        driver.connect()
        driver.send(b"y")
        assert await read_exactly(AwaitedChannel(await opening), 1) == b"y"
        assert driver.opened == 1

    run(host_goes())


def test_a_cancelled_read_loses_nothing() -> None:
    async def cancelled() -> None:
        driver = FakeDriver()
        source, channel = await opened(driver)
        reading = asyncio.ensure_future(read_exactly(channel, 1))
        await asyncio.sleep(0)
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        await channel.close()
        driver.send(b"for the next")
        assert await read_exactly(AwaitedChannel(await source.open()), 12) == b"for the next"

    run(cancelled())


# -- the device comes and goes -------------------------------------------------------------


def test_a_removed_device_ends_the_channel_and_is_opened_anew_when_it_is_back() -> None:
    async def removed() -> None:
        driver = FakeDriver()
        source, channel = await opened(driver)
        reading = asyncio.ensure_future(read_exactly(channel, 1))
        await asyncio.sleep(0)
        driver.remove()
        with pytest.raises(OSError, match="995"):
            await reading
        with pytest.raises(OSError, match="995"):
            channel.write_now(memoryview(b"x"))
        await channel.close()
        with pytest.raises(OSError, match="error 2"):
            await source.open()
        driver.come_back()
        channel = AwaitedChannel(await source.open())
        driver.send(b"y")
        assert await read_exactly(channel, 1) == b"y"
        assert driver.opened == 2

    run(removed())


def test_a_write_that_fails_ends_the_read_too() -> None:
    async def removed_while_writing() -> None:
        driver = FakeDriver()
        driver.drains = False
        _, channel = await opened(driver)
        reading = asyncio.ensure_future(read_exactly(channel, 1))
        channel.write_now(memoryview(b"x"))
        await asyncio.sleep(0)
        assert driver.handle is not None
        driver.handle._reading = None  # its end would be seen first otherwise
        driver.remove()
        with pytest.raises(OSError, match="1617"):
            await reading

    run(removed_while_writing())


def test_a_second_open_is_refused_by_the_driver() -> None:
    async def twice() -> None:
        driver = FakeDriver()
        await opened(driver)
        with pytest.raises(WindowsError) as failure:
            await opened(driver)
        assert failure.value.winerror == ERROR_ACCESS_DENIED

    run(twice())


def test_a_hang_up_ends_a_device_that_does_not_outlive_its_host() -> None:
    """A named pipe: what is there after the other end has gone is another pipe."""

    class Pipe(FakeHandle):
        outlives_host = False

    async def hung_up() -> None:
        driver = FakeDriver()
        driver.handle_type = Pipe
        _, channel = await opened(driver)
        driver.input.append(b"")
        assert driver.handle is not None
        driver.handle.serve_read()
        with pytest.raises(OSError, match="hung up"):
            await read_exactly(channel, 1)
        with pytest.raises(OSError, match="hung up"):
            channel.write_now(memoryview(b"x"))

    run(hung_up())


def test_a_serial_line_may_say_nothing() -> None:
    """A read that times out, in either of Windows' ways, is no end."""

    class Line(FakeHandle):
        times_out = True

    async def silent() -> None:
        driver = FakeDriver()
        driver.handle_type = Line
        _, channel = await opened(driver)
        reading = asyncio.ensure_future(read_exactly(channel, 1))
        for error in (None, WindowsError(ERROR_TIMEOUT)):
            await until(lambda: driver.handle and driver.handle._reading)
            assert driver.handle is not None
            assert driver.handle._reading is not None
            (pending, _), driver.handle._reading = driver.handle._reading, None
            if error is None:
                pending.set_result(0)
            else:
                pending.set_exception(error)
        await until(lambda: driver.handle and driver.handle._reading)
        driver.send(b"x")
        assert await reading == b"x"

    run(silent())


# -- a host that doesn't read --------------------------------------------------------------


def test_a_stalled_host_takes_one_write_and_ends_nothing() -> None:
    async def stalled() -> None:
        driver = FakeDriver()
        driver.drains = False
        _, channel = await opened(driver)
        assert channel.write_now(memoryview(b"first")) == 5
        writing = asyncio.ensure_future(channel.write(memoryview(b"second")))
        driver.send(b"x")
        assert await read_exactly(channel, 1) == b"x"
        assert not writing.done()
        driver.drain()
        await writing
        await channel.close()
        assert driver.to_host == b"firstsecond"

    run(stalled())


def test_a_stalled_host_does_not_hold_up_the_end() -> None:
    async def stalled() -> None:
        driver = FakeDriver()
        driver.drains = False
        source, channel = await opened(driver)
        channel.write_now(memoryview(b"never read"))
        await channel.close()
        await source.close()
        assert driver.handle is None

    run(stalled())


def test_a_device_that_does_not_close_does_not_hold_up_the_end(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """VIOSerialPortClose can wait for the host in steps of a second."""
    let_go = threading.Event()

    class Stuck(FakeHandle):
        def close(self) -> None:
            let_go.wait(DEADLINE)

    async def stuck() -> None:
        driver = FakeDriver()
        driver.handle_type = Stuck
        source, _ = await opened(driver)
        await source.close()

    run(stuck())
    let_go.set()
    assert "does not close" in caplog.text


def test_an_opening_that_is_given_up_leaves_no_handle() -> None:
    opening, go_on, discarded = threading.Event(), threading.Event(), threading.Event()

    def open_slowly() -> str:
        opening.set()
        go_on.wait(DEADLINE)
        return "handle"

    def discard(handle: str) -> None:
        assert handle == "handle"
        discarded.set()

    async def give_up() -> None:
        call: Awaitable[str] = asyncio.ensure_future(off_loop(open_slowly, discard))
        await until(opening.is_set)
        assert isinstance(call, asyncio.Future)
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
        go_on.set()
        await until(discarded.is_set)

    run(give_up())
