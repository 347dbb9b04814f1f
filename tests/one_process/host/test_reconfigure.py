"""A host daemon whose configuration changes while connections stand, or are being made."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.one_process.conftest import Run
from tests.one_process.pair import LOOPBACK, echo_server, pair
from tests.one_process.targets import client
from tests.support import socks_async
from tests.support.socks_messages import BIND
from vsocks.host.audit import AuditConfig
from vsocks.host.config import HostConfig
from vsocks.mux.relay import IdleTimeouts
from vsocks.policy.policy import Policy, Rule
from vsocks.protocol.endpoint import Wire

pytestmark = [pytest.mark.one_process, pytest.mark.timeout(60)]

NOT_ALLOWED = 2
FORBIDDEN = Policy([Rule.parse("deny", "127.0.0.1")])


def test_who_comes_when_he_is_forbidden_by_now_is_sent_away(run: Run[None], tmp_path: Path) -> None:
    async def bind() -> None:
        audit = AuditConfig(tmp_path / "audit")
        config = HostConfig(Wire.AUTO, LOOPBACK, bind_address="127.0.0.1", audit=audit)
        async with pair(host=config) as both:
            target = ("127.0.0.1", 0)
            reader, writer = await socks_async.request(both.proxy, target, command=BIND)
            waits = await socks_async.read_answer(reader)
            await both.host.reconfigure(replace(config, policy=FORBIDDEN), ends_forbidden=True)
            async with client(waits.address) as (theirs, _):
                assert (await socks_async.read_answer(reader)).reply == NOT_ALLOWED
                with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
                    await theirs.readexactly(1)
            writer.close()
        [line] = [json.loads(line) for line in audit.file.read_text().splitlines()]
        assert (line["event"], line["allowed"]) == ("failed", False)
        assert (line["rule"], line["end"]) == ("deny 127.0.0.1", "denied")

    run(bind())


def test_he_may_stay_if_nobody_has_said_so(run: Run[None]) -> None:
    async def bind() -> None:
        config = HostConfig(Wire.AUTO, LOOPBACK, bind_address="127.0.0.1")
        async with pair(host=config) as both:
            target = ("127.0.0.1", 0)
            reader, writer = await socks_async.request(both.proxy, target, command=BIND)
            waits = await socks_async.read_answer(reader)
            await both.host.reconfigure(replace(config, policy=FORBIDDEN), ends_forbidden=False)
            async with client(waits.address, b"I came"):
                assert (await socks_async.read_answer(reader)).reply == 0
                assert await reader.readexactly(6) == b"I came"
                assert await socks_async.ask(both.proxy, ("127.0.0.1", 9)) == NOT_ALLOWED
            writer.close()

    run(bind())


def test_limits_are_for_connections_to_come(run: Run[None]) -> None:
    async def limit() -> None:
        config = HostConfig(Wire.AUTO, LOOPBACK)
        async with pair(host=config) as both, echo_server() as target:
            reader, writer = await socks_async.connect(both.proxy, target)
            soon = IdleTimeouts(0.05, 0.05)
            changed = replace(config, idle_timeouts=soon, connect_rate=0.01)
            await both.host.reconfigure(changed, ends_forbidden=False)
            silent, second = await socks_async.connect(both.proxy, target)
            with pytest.raises(ConnectionResetError):
                await silent.readexactly(1)
            assert await socks_async.ask(both.proxy, target) == 1  # more than the rate
            writer.write(b"still here")
            assert await reader.readexactly(10) == b"still here"
            second.close()
            writer.close()

    run(limit())
