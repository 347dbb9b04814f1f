"""A host that answers too soon, or never."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.integration.support.alone import connect_unix, lone_guest
from tests.integration.support.grudging_host import CAME_FROM, LISTENING_AT, GrudgingHost
from tests.integration.support.layouts import free_port
from tests.integration.support.pair import SESSION_UP
from tests.integration.support.waiting import DEADLINE, eventually
from tests.support.socks import answer_to, read_answer, request
from tests.support.socks_messages import BIND, RESOLVE, RESOLVE_PTR, UDP_ASSOCIATE, Address, Reply
from vsocks.channel import open_source, parse_spec
from vsocks.guest.context import Limits
from vsocks.guest.daemon import Guest, GuestConfig
from vsocks.protocol.endpoint import Wire

pytestmark = [pytest.mark.integration, pytest.mark.timeout(60)]


def test_who_comes_at_once_is_told_of_by_the_second_reply(tmp_path: Path) -> None:
    with lone_guest(tmp_path) as (guest, proxy, channel), GrudgingHost(channel, 2048):
        guest.wait_for_log(SESSION_UP)
        client, first = request(proxy, ("192.0.2.2", 21), command=BIND)
        with client:
            assert first == (Reply.SUCCEEDED, LISTENING_AT.host, LISTENING_AT.port)
            assert read_answer(client) == (Reply.SUCCEEDED, CAME_FROM.host, CAME_FROM.port)


@contextmanager
def guest_with(limits: Limits, channel: Path) -> Iterator[Address]:
    """A guest in a thread of its own, as the limits that aren't options need; and its port."""
    config = GuestConfig(Wire.VSOCKS, listen=(("127.0.0.1", free_port()),), limits=limits)
    started = threading.Event()
    stop: list[Callable[[], object]] = []

    async def serve() -> None:
        guest = Guest(config, open_source(parse_spec(f"unix-listen:{channel}")))
        await guest.start()
        running = asyncio.create_task(guest.run())
        loop = asyncio.get_running_loop()
        stop.append(lambda: loop.call_soon_threadsafe(running.cancel))
        started.set()
        await asyncio.wait({running})

    thread = threading.Thread(target=asyncio.run, args=(serve(),), daemon=True)
    thread.start()
    assert started.wait(DEADLINE)
    try:
        yield config.listen[0]
    finally:
        stop[0]()
        thread.join(DEADLINE)


def test_one_that_never_answers_is_not_waited_for_without_end(tmp_path: Path) -> None:
    path = tmp_path / "channel"
    with (
        guest_with(Limits(answer=0.3), path) as proxy,
        connect_unix(path) as channel,
        GrudgingHost(channel, 2048),
    ):

        def answered() -> None:
            asked = [
                answer_to(proxy, (host, 0), command=command).reply
                for command, host in [
                    (UDP_ASSOCIATE, "0.0.0.0"),
                    (RESOLVE, "x.test"),
                    (RESOLVE_PTR, "192.0.2.1"),
                ]
            ]
            assert asked == [Reply.TIMEOUT] * 3

        channel.settimeout(None)
        eventually(answered)
