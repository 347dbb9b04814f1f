"""The overlapped channel over a driver that behaves as Windows' does."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from typing import Any, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.channel.vioserial import ERROR_ACCESS_DENIED, FakeDriver, FakeHandle, WindowsError
from tests.windows.awaited_channel import AwaitedChannel
from vsocks.channel import device_writes, overlapped
from vsocks.channel.device import ERROR_HANDLE_EOF, ERROR_TIMEOUT
from vsocks.channel.device_writes import MAX_GIVEN_UP, MAX_WRITE
from vsocks.channel.off_loop import off_loop
from vsocks.channel.overlapped import OverlappedSource

pytestmark = pytest.mark.unit

T = TypeVar("T")
DEADLINE = 10.0


@pytest.fixture(autouse=True, scope="module")
def impatience() -> Iterator[None]:
    """What takes seconds with a true port takes a moment here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(device_writes, "PATIENCE", 0.05)
        patch.setattr(overlapped, "_LOOK", 0.02)
        patch.setattr(overlapped, "_REMOVAL", 0.2)
        yield


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    async def with_deadline() -> T:
        async with asyncio.timeout(DEADLINE):
            return await coroutine

    return asyncio.run(with_deadline())


async def until(condition: Callable[[], object]) -> None:
    """Give others their turns until something is so."""
    while not condition():  # noqa: ASYNC110 - there is no event for what the fake driver does
        await asyncio.sleep(0.001)


def made(*, prompt: bool = False) -> FakeDriver:
    driver = FakeDriver()
    driver.prompt = prompt
    return driver


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
    """If asyncio sees at once that it is there."""

    async def take_all() -> None:
        driver = made(prompt=True)
        _, channel = await opened(driver)
        driver.send(pattern(40_000))
        assert await channel.read_into(memoryview(bytearray(100_000))) == 40_000

    run(take_all())


@given(
    st.lists(st.binary(min_size=1, max_size=9000), max_size=8), st.integers(1, 9000), st.booleans()
)
def test_any_chunks_come_through_whole(chunks: list[bytes], step: int, prompt: bool) -> None:
    async def through() -> None:
        driver = made(prompt=prompt)
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


@pytest.mark.parametrize("prompt", [False, True])
@pytest.mark.parametrize("told", [False, True])
def test_no_host_yet(caplog: pytest.LogCaptureFixture, prompt: bool, told: bool) -> None:
    """That is said, and then the channel is open, whether we are notified or have to ask."""
    caplog.set_level("INFO", "vsocks")

    async def host_comes_late() -> None:
        driver = made(prompt=prompt)
        source = OverlappedSource(driver.open)
        opening = asyncio.ensure_future(source.open())
        await asyncio.sleep(0.05)
        assert not opening.done()
        driver.connect(told=told)
        channel = AwaitedChannel(await opening)
        driver.send(b"hello")
        assert await read_exactly(channel, 5) == b"hello"
        assert driver.opened == 1

    run(host_comes_late())
    assert caplog.messages == ["no host is connected to the port yet"]


def test_a_notice_of_the_host_that_is_there_already_changes_nothing() -> None:
    """It is told once the driver's work item runs, and we may have asked before."""

    async def late_notice() -> None:
        driver = FakeDriver()
        _, channel = await opened(driver)
        handle = driver.handle
        assert handle is not None
        assert handle.on_host is not None
        handle.on_host(True)
        await asyncio.sleep(0)
        driver.send(b"x")
        assert await read_exactly(channel, 1) == b"x"
        handle.on_host(True)
        with pytest.raises(ConnectionResetError):
            await read_exactly(channel, 1)

    run(late_notice())


def test_what_is_written_is_a_copy() -> None:
    async def changed_afterwards() -> None:
        driver = FakeDriver()
        _, channel = await opened(driver)
        driver.has_no_memory = True
        data = bytearray(b"right")
        assert channel.write_now(memoryview(data)) == 5
        data[:] = b"wrong"
        driver.has_no_memory = False
        await until(lambda: driver.to_host)
        assert driver.to_host == b"right"

    run(changed_afterwards())


@pytest.mark.parametrize("prompt", [False, True])
def test_a_refused_write_is_tried_again_and_nothing_passes_it(prompt: bool) -> None:
    async def refused() -> None:
        driver = made(prompt=prompt)
        _, channel = await opened(driver)
        driver.has_no_memory = True
        assert channel.write_now(memoryview(b"first")) == 5
        assert channel.write_now(memoryview(b"second")) == 0
        await asyncio.sleep(0.05)
        assert driver.writes == []
        driver.has_no_memory = False
        await channel.write(memoryview(b"second"))
        await until(lambda: len(driver.to_host) == 11)
        assert driver.writes == [b"first", b"second"]

    run(refused())


@pytest.mark.parametrize("told", [False, True])
@pytest.mark.parametrize("prompt", [False, True])
def test_a_host_that_goes_ends_the_channel(prompt: bool, told: bool) -> None:
    """A pending read isn't completed by that; it serves the next host."""

    async def host_goes() -> None:
        driver = made(prompt=prompt)
        source, channel = await opened(driver)
        driver.send(b"x")
        assert await read_exactly(channel, 1) == b"x"
        reading = asyncio.ensure_future(read_exactly(channel, 1))
        await asyncio.sleep(0)
        driver.disconnect(told=told)
        with pytest.raises(ConnectionResetError, match="the host has disconnected"):
            await reading
        assert channel.write_now(memoryview(b"for nobody")) == 10
        await channel.close()
        opening = asyncio.ensure_future(source.open())
        driver.connect(told=told)
        channel = AwaitedChannel(await opening)
        driver.send(b"y")
        assert await read_exactly(channel, 1) == b"y"
        await channel.write(memoryview(b"for the next"))
        await until(lambda: driver.to_host.endswith(b"for the next"))
        assert driver.opened == 1

    run(host_goes())


@pytest.mark.parametrize("prompt", [False, True])
def test_what_the_host_said_before_it_went_is_read(prompt: bool) -> None:
    async def host_goes() -> None:
        driver = made(prompt=prompt)
        source, channel = await opened(driver)
        driver.send(b"goodbye")
        driver.disconnect()
        assert await read_exactly(channel, 7) == b"goodbye"
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


# -- a write that QEMU never returns -------------------------------------------------------


async def silence(driver: FakeDriver, channel: AwaitedChannel, *, told: bool = True) -> None:
    """The host goes while QEMU is busy with a write of ours."""
    driver.stall(slack=3)
    await channel.write(memoryview(b"lost for ever"))
    await until(lambda: driver.queue.in_hand)
    driver.disconnect(told=told)
    driver.queue.drains = True
    assert driver.queue.detached


@pytest.mark.parametrize("told", [False, True])
def test_a_write_that_never_ends_is_given_up_and_others_pass_it(
    caplog: pytest.LogCaptureFixture, told: bool
) -> None:
    async def one_host_after_the_other() -> None:
        driver = FakeDriver()
        source, channel = await opened(driver)
        for lost in range(1, MAX_GIVEN_UP + 1):
            await silence(driver, channel, told=told)
            with pytest.raises(ConnectionResetError):
                await read_exactly(channel, 1)
            await channel.close()
            driver.connect(told=told)
            channel = AwaitedChannel(await source.open())
            await channel.write(memoryview(pattern(MAX_WRITE * 3)))
            await channel.write(memoryview(b"."))
            await until(lambda: driver.queue.clients[-1] == pattern(MAX_WRITE * 3) + b".")
            assert len(driver.queue.detached) == lost
        assert driver.opened == 1
        assert driver.handle is not None
        # Nobody has used their buffers for anything else: the system reads them until the end.
        assert [bytes(it.memory) for it in driver.queue.detached] == [b"lost for ever"] * lost

    run(one_host_after_the_other())
    assert "it is left to itself (8 of 8)" in caplog.text
    assert "restart this machine" not in caplog.text


def test_too_many_of_them_are_told_with_what_to_do_and_one_that_ends_makes_room(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def all_lost() -> None:
        driver = FakeDriver()
        source, channel = await opened(driver)
        for _ in range(MAX_GIVEN_UP + 1):
            await silence(driver, channel)
            with pytest.raises(ConnectionResetError):
                await read_exactly(channel, 1)
            await channel.close()
            driver.connect()
            channel = AwaitedChannel(await source.open())
        await until(lambda: "restart this machine" in caplog.text)
        writing = asyncio.ensure_future(channel.write(memoryview(b"x" * MAX_WRITE)))
        await asyncio.sleep(0.05)
        assert not writing.done()
        driver.send(b"reading goes on")
        assert await read_exactly(channel, 15) == b"reading goes on"
        freed = driver.queue.detached.pop(0)
        driver.queue.returned(freed)
        await writing
        await until(lambda: driver.queue.clients[-1] == b"x" * MAX_WRITE)

    run(all_lost())


def test_a_new_session_on_the_same_host_gives_up_a_write_that_does_not_end() -> None:
    """The host went and came so quickly that nobody saw it; the handshake of the next one tells."""

    async def unseen() -> None:
        driver = FakeDriver()
        _, channel = await opened(driver)
        await silence(driver, channel, told=False)
        driver.connect(told=False)
        channel.channel.session_lost()
        await channel.write(memoryview(b"hello"))
        await until(lambda: driver.queue.clients[-1] == b"hello")

    run(unseen())


def test_a_write_that_is_only_slow_is_in_order_with_what_follows_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The session was lost, say by its heartbeat, and the host reads on later."""

    async def slow() -> None:
        driver = FakeDriver()
        _, channel = await opened(driver)
        driver.stall(slack=1)
        await channel.write(memoryview(b"old"))
        channel.channel.session_lost()
        await channel.write(memoryview(b"new"))
        await until(lambda: driver.queue.available)
        driver.drain()
        await until(lambda: driver.to_host == b"oldnew")
        driver.stall()
        for _ in range(MAX_GIVEN_UP):
            channel.channel.session_lost()
            await channel.write(memoryview(b"+"))
        assert f"{MAX_GIVEN_UP - 1} of {MAX_GIVEN_UP}" in caplog.text
        driver.drain()
        await until(lambda: driver.to_host == b"oldnew" + b"+" * MAX_GIVEN_UP)

    run(slow())


def test_sleep_and_waking_send_what_was_pending_once_more() -> None:
    """Also what QEMU would never have returned: the device was reset."""

    async def asleep() -> None:
        driver = FakeDriver()
        source, channel = await opened(driver)
        await silence(driver, channel)
        with pytest.raises(ConnectionResetError):
            await read_exactly(channel, 1)
        await channel.close()
        driver.connect()
        channel = AwaitedChannel(await source.open())
        await channel.write(memoryview(b"fresh"))
        driver.sleep_and_wake(host=True)
        await until(lambda: not driver.handle or not driver.handle.writing)
        assert bytes(driver.queue.clients[-1]) == b"freshlost for ever"

    run(asleep())


def test_a_line_without_a_host_gives_up_nothing() -> None:
    """A slow one takes longer than the patience for a port of virtio-serial."""

    class Line(FakeHandle):
        def host_connected(self) -> bool | None:
            return None

    async def slow_line() -> None:
        driver = FakeDriver()
        driver.handle_type = Line
        _, channel = await opened(driver)
        driver.stall()
        await channel.write(memoryview(b"slow"))
        channel.channel.session_lost()
        writing = asyncio.ensure_future(channel.write(memoryview(b"next")))
        await asyncio.sleep(4 * device_writes.PATIENCE)
        assert not writing.done()
        driver.drain()
        await writing

    run(slow_line())


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
    """The driver purges a pending one as the device goes; later ones KMDF doesn't take."""

    async def removed_while_writing() -> None:
        driver = FakeDriver()
        driver.stall()
        _, channel = await opened(driver)
        reading = asyncio.ensure_future(read_exactly(channel, 1))
        channel.write_now(memoryview(b"x"))
        await asyncio.sleep(0)
        assert driver.handle is not None
        driver.handle.reading = None  # its end would be seen first otherwise
        driver.remove()
        with pytest.raises(OSError, match="6807"):
            await reading

    run(removed_while_writing())


def test_a_driver_that_wants_to_go_has_its_handle_closed(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "vsocks")

    async def updated() -> None:
        driver = FakeDriver()
        source, channel = await opened(driver)
        reading = asyncio.ensure_future(read_exactly(channel, 1))
        await asyncio.sleep(0)
        assert not driver.query_remove()
        with pytest.raises(OSError, match="stopped or updated"):
            await reading
        await channel.close()
        opening = asyncio.ensure_future(source.open())
        await until(driver.query_remove)
        driver.remove()
        driver.come_back()
        await until(lambda: "opened anew in a while" in caplog.text)
        assert not opening.done()
        channel = AwaitedChannel(await opening)
        driver.send(b"y")
        assert await read_exactly(channel, 1) == b"y"

    run(updated())


def test_error_38_of_a_true_driver_is_the_end_of_the_handle() -> None:
    """A later driver will say that to have it closed; on Wine it means that no host is there."""

    class Later(FakeHandle):
        def serve_read(self) -> None:
            if self.reading is not None and self._driver.input:
                self.reading.complete(WindowsError(ERROR_HANDLE_EOF))
                self.reading = None

    async def told_to_close() -> None:
        driver = FakeDriver()
        driver.handle_type = Later
        source, channel = await opened(driver)
        driver.send(b"close")
        with pytest.raises(OSError, match="error 38"):
            await read_exactly(channel, 1)
        await channel.close()
        driver.handle_type = FakeHandle
        await source.open()
        assert driver.opened == 2

    run(told_to_close())


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
        assert driver.handle is not None
        assert driver.handle.reading is not None
        driver.handle.reading.complete(0)
        driver.handle.reading = None
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
        for result in (0, WindowsError(ERROR_TIMEOUT)):
            await until(lambda: driver.handle and driver.handle.reading)
            assert driver.handle is not None
            assert driver.handle.reading is not None
            pending, driver.handle.reading = driver.handle.reading, None
            pending.complete(result)
        await until(lambda: driver.handle and driver.handle.reading)
        driver.send(b"x")
        assert await reading == b"x"

    run(silent())


# -- a host that doesn't read --------------------------------------------------------------


def test_a_stalled_host_takes_one_write_and_ends_nothing() -> None:
    async def stalled() -> None:
        driver = FakeDriver()
        driver.stall()
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
    """Though the port is closed to others until the write has ended, or the process."""

    async def stalled() -> None:
        driver = FakeDriver()
        driver.stall()
        source, channel = await opened(driver)
        channel.write_now(memoryview(b"never read"))
        await channel.close()
        await source.close()
        with pytest.raises(WindowsError) as failure:
            driver.open()
        assert failure.value.winerror == ERROR_ACCESS_DENIED
        driver.drain()
        driver.open()

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
