"""Which channel is taken when none was named."""

from __future__ import annotations

import asyncio

import pytest

from vsocks.channel.auto import AutoSource
from vsocks.channel.base import Channel, ChannelSource, ChannelUser

pytestmark = pytest.mark.unit


class NoChannel(Channel):
    """Opened, and of no further use here."""

    def start(self, user: ChannelUser) -> None:
        pass

    def read_now(self, buffer: memoryview) -> int | None:
        return None

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass

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
        self.closed = False

    async def start(self) -> None:
        pass

    async def open(self) -> Channel:
        self.asked += 1
        if self.error is not None:
            raise self.error
        return NoChannel()

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


def test_what_was_taken_stays_so() -> None:
    """A port that comes later doesn't part a session from its channel."""
    first, second = Candidate("a", missing()), Candidate("b")
    source = AutoSource([first, second])

    async def again_and_again() -> None:
        await source.open()
        first.error = None
        await source.open()
        second.error = missing()
        with pytest.raises(FileNotFoundError, match="there is none"):
            await source.open()
        await source.close()

    asyncio.run(again_and_again())
    assert (first.asked, second.asked) == (1, 3)
    assert first.closed
    assert second.closed


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
