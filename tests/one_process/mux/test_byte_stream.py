"""Streams of the original wire, by which nobody answers an open."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest

from tests.integration.support.no_service import NoService
from tests.one_process.conftest import Run, running, until
from vsocks.address import Target
from vsocks.channel import open_source, parse_spec
from vsocks.mux.buffers import share_out
from vsocks.mux.byte_stream import ByteStream
from vsocks.mux.link import Link
from vsocks.protocol.endpoint import EndpointConfig, Wire
from vsocks.protocol.handshake import Role
from vsocks.reply import Reply

pytestmark = [pytest.mark.one_process, pytest.mark.timeout(60)]

ANSWER_TIMEOUT = 0.05


class Owner:
    """Hears of the stream."""

    def __init__(self) -> None:
        self.sent = asyncio.Event()
        self.aborted = ""

    def on_stream_data(self) -> None:
        pass

    def on_stream_sent(self) -> None:
        self.sent.set()

    def on_stream_aborted(self, reason: str) -> None:
        self.aborted = reason


def test_a_stream_outlives_the_time_that_an_answer_may_take(run: Run[None], tmp_path: Path) -> None:
    async def outlive() -> None:
        source = open_source(parse_spec(f"unix:{tmp_path / 'channel'}"))
        link = Link(source, EndpointConfig(Role.GUEST, wire=Wire.ORIGINAL), NoService())
        await source.start()
        async with running(link.run()):
            await until(lambda: link.has_session)
            owner = Owner()
            stream = ByteStream(link, share_out(1, 1024, with_host=False)[0], owner)
            replies: list[int] = []
            stream.open(
                Target("127.0.0.1", 80), ANSWER_TIMEOUT, lambda reply, _: replies.append(reply)
            )
            await asyncio.sleep(4 * ANSWER_TIMEOUT)
            assert replies == [Reply.SUCCEEDED]
            stream.send(memoryview(b"still open"))
            await owner.sent.wait()
            assert not owner.aborted
            stream.finish()

    with socket.socket(socket.AF_UNIX) as peer:
        peer.bind(str(tmp_path / "channel"))
        peer.listen()
        run(outlive())
