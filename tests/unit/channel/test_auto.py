"""Which channel is taken when none was named."""

from __future__ import annotations

import asyncio

import pytest

from vsocks.channel import auto
from vsocks.channel.auto import AutoSource
from vsocks.channel.base import Channel, ChannelSource, ChannelUser

pytestmark = pytest.mark.unit


class NoChannel(Channel):
    """Opened, and of no further use here."""

    def __init__(self, told: list[str]) -> None:
        self.told = told

    def session_up(self) -> None:
        self.told.append("up")

    def session_lost(self) -> None:
        self.told.append("lost")

    def start(self, user: ChannelUser) -> None:
        pass

    def read_now(self, buffer: memoryview) -> int | None:
        return None

    def pause_reading(self) -> None:
        self.told.append("pause")

    def resume_reading(self) -> None:
        self.told.append("resume")

    def write_now(self, data: memoryview) -> int:
        return 0

    async def close(self) -> None:
        pass


class Candidate(ChannelSource):
    """Opens a channel, or raises what it is told to."""

    def __init__(self, name: str, error: OSError | None = None, max_frame: int = 0xFFFF) -> None:
        self.name = name
        self.error = error
        self.max_frame = max_frame
        self.asked = 0
        self.waits = False
        self.closed = False
        self.told: list[str] = []

    def exists(self) -> bool:
        return self.error is None

    async def start(self) -> None:
        pass

    async def open(self) -> Channel:
        self.asked += 1
        if self.error is not None:
            raise self.error
        if self.waits:
            await asyncio.Event().wait()
        return NoChannel(self.told)

    async def close(self) -> None:
        self.closed = True


def missing() -> FileNotFoundError:
    return FileNotFoundError(2, "there is none")


def test_the_first_that_exists_is_taken(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "vsocks")
    absent, slow, late = (
        Candidate("virtio:a", missing()),
        Candidate("com:COM1", None, 4096),
        Candidate("x"),
    )
    source = AutoSource([absent, slow, late])
    asyncio.run(source.open())
    assert caplog.messages == ["found com:COM1"]
    assert (source.name, source.max_frame, late.asked) == ("com:COM1", 4096, 0)


class Told(ChannelUser):
    """A user who waits for the end of the channel."""

    def __init__(self) -> None:
        self.failed = asyncio.get_running_loop().create_future()

    def on_readable(self) -> None:
        pass

    def on_writable(self) -> None:
        pass

    def on_failed(self, error: OSError) -> None:
        self.failed.set_result(str(error))


@pytest.fixture(autouse=True)
def look_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auto, "_LOOK", 0.01)


def test_a_better_one_that_comes_is_taken_until_a_session_has_stood() -> None:
    first, second = Candidate("a", missing()), Candidate("b")
    source = AutoSource([first, second])

    async def better_comes() -> None:
        channel, user = await source.open(), Told()
        assert source.name == "b"
        channel.start(user)
        await asyncio.sleep(0.05)
        assert not user.failed.done()
        first.error = None
        assert "a is there now, and comes before b" in await user.failed
        await channel.close()
        assert second.closed
        await source.open()
        assert source.name == "a"

    asyncio.run(better_comes())


def test_a_better_one_that_comes_ends_the_wait_for_a_host_at_another() -> None:
    first, second = Candidate("a", missing()), Candidate("b")
    second.waits = True
    source = AutoSource([first, second])

    async def better_comes() -> None:
        opening = asyncio.ensure_future(source.open())
        await asyncio.sleep(0.05)
        assert not opening.done()
        first.error = None
        with pytest.raises(OSError, match="a is there now"):
            await opening
        assert second.closed
        await source.open()
        assert source.name == "a"

    asyncio.run(better_comes())


def test_where_a_session_has_stood_we_stay() -> None:
    """A port that comes later doesn't part a session from its channel."""
    first, second = Candidate("a", missing()), Candidate("b")
    source = AutoSource([first, second])

    async def again_and_again() -> None:
        channel, user = await source.open(), Told()
        channel.start(user)
        channel.session_up()
        first.error = None
        await asyncio.sleep(0.05)
        assert not user.failed.done()
        await channel.close()
        await source.open()
        second.error = missing()
        with pytest.raises(FileNotFoundError, match="there is none"):
            await source.open()
        await source.close()

    asyncio.run(again_and_again())
    assert (first.asked, second.asked) == (1, 3)
    assert first.closed
    assert second.closed


def test_what_is_told_of_a_session_reaches_the_channel_itself() -> None:
    candidate = Candidate("a")

    async def through() -> None:
        channel = await AutoSource([candidate]).open()
        channel.session_up()
        channel.session_lost()
        channel.pause_reading()
        channel.resume_reading()
        assert channel.read_now(memoryview(bytearray(1))) is None
        assert channel.write_now(memoryview(b"x")) == 0

    asyncio.run(through())
    assert candidate.told == ["up", "lost", "pause", "resume"]


def test_one_that_may_not_be_opened_is_not_passed_over() -> None:
    """It is there: somebody else has it, or we need more rights. That has to be told."""
    denied, other = Candidate("a", PermissionError(13, "denied")), Candidate("b")
    with pytest.raises(PermissionError, match="denied"):
        asyncio.run(AutoSource([denied, other]).open())
    assert not other.asked


def test_none_that_exists() -> None:
    source = AutoSource([Candidate("a", missing()), Candidate("b", missing())])
    with pytest.raises(FileNotFoundError, match=r"none of a, b exists; has the VM the port"):
        asyncio.run(source.open())
