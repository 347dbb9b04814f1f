"""Streams of the original wire, by which nobody answers an open."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest

from tests.integration.support.no_service import NoService
from vsocks.address import Target
from vsocks.aio.tasks import cancel
from vsocks.channel import open_source, parse_spec
from vsocks.mux.byte_stream import Conduit
from vsocks.mux.link import Link
from vsocks.mux.pool import Pool
from vsocks.mux.switchboard import Switchboard
from vsocks.protocol.endpoint import EndpointConfig, Wire
from vsocks.protocol.handshake import Role
from vsocks.reply import Reply

pytestmark = [pytest.mark.integration, pytest.mark.timeout(60)]

ANSWER_TIMEOUT = 0.05


def test_a_stream_outlives_the_time_that_an_answer_may_take(tmp_path: Path) -> None:
    async def outlive() -> None:
        switchboard = Switchboard(NoService())
        source = open_source(parse_spec(f"unix:{tmp_path / 'channel'}"))
        link = Link(source, EndpointConfig(Role.GUEST, wire=Wire.ORIGINAL), switchboard)
        await source.start()
        running = asyncio.create_task(link.run())
        try:
            async with asyncio.timeout(20):
                while not switchboard.has_session:  # noqa: ASYNC110 - it tells the log only
                    await asyncio.sleep(0.01)
            async with Conduit(switchboard, Pool(1, 1024)) as conduit:
                reply, _ = await conduit.open(Target("127.0.0.1", 80), ANSWER_TIMEOUT)
                await asyncio.sleep(4 * ANSWER_TIMEOUT)
                assert reply == Reply.SUCCEEDED
                await conduit.send(memoryview(b"still open"))
        finally:
            await cancel(running)

    with socket.socket(socket.AF_UNIX) as peer:
        peer.bind(str(tmp_path / "channel"))
        peer.listen()
        asyncio.run(outlive())
