"""What is answered to who asks a daemon that runs, and done for them."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.one_process.conftest import Run
from tests.one_process.host.fleet import Fleet
from tests.one_process.pair import echo_server
from tests.support.socks_async import ask, connect
from tests.support.socks_messages import Reply
from vsocks.control import messages
from vsocks.errors import UnavailableError, UsageError
from vsocks.host.control import Control

pytestmark = [pytest.mark.one_process, pytest.mark.timeout(60)]


async def answered(control: Control, request: messages.Request) -> list[Any]:
    return [item async for item in control.answer(request)]


def test_what_there_is(run: Run[None], tmp_path: Path) -> None:
    async def tell() -> None:
        fleet = Fleet(tmp_path, "a", "b")
        control = Control(fleet.machines)
        async with fleet.serving(), echo_server() as target:
            reader, writer = await connect(fleet.proxies["a"], target)
            writer.write(b"hello")
            assert await reader.readexactly(5) == b"hello"
            _, a, b = await answered(control, messages.Status())
            assert (a.name, a.connections, a.sent, a.received) == ("a", 1, 5, 5)
            assert (b.name, b.connections, b.session_seconds is None) == ("b", 0, False)
            [only] = await answered(control, messages.Connections())
            assert (only.machine, only.kind, only.connected) == ("a", "connect", True)
            assert not await answered(control, messages.Connections("b"))
            [closed] = await answered(control, messages.Close(only.id))
            assert closed.id == only.id
            with pytest.raises(ConnectionResetError):
                await reader.readexactly(1)
            with pytest.raises(UnavailableError, match="no connection has the id"):
                await answered(control, messages.Close(only.id))

    run(tell())


def test_which_rule_decides(run: Run[None], tmp_path: Path) -> None:
    async def tell() -> None:
        fleet = Fleet(tmp_path, "a", "b")
        control = Control(fleet.machines)
        async with fleet.serving():
            [judged] = await answered(control, messages.Check("127.0.0.1:9", "a"))
            assert (judged.allowed, judged.rule) == (True, "allow 127.0.0.0/8")
            [judged] = await answered(control, messages.Check("169.254.169.254:80", "a"))
            assert not judged.allowed
            with pytest.raises(UsageError, match="which of 2 machines"):
                await answered(control, messages.Check("127.0.0.1:9"))
            with pytest.raises(UnavailableError, match="no machine is called 'c': a, b"):
                await answered(control, messages.Check("127.0.0.1:9", "c"))
            with pytest.raises(UsageError, match="is not NAME:PORT"):
                await answered(control, messages.Check("nonsense", "a"))

    run(tell())


def test_forwards_come_and_go(run: Run[None], tmp_path: Path) -> None:
    async def change() -> None:
        fleet = Fleet(tmp_path, "a")
        control = Control(fleet.machines)
        async with fleet.serving():
            [added] = await answered(control, messages.AddForward("127.0.0.1:0:127.0.0.1:22"))
            assert await answered(control, messages.ListForwards()) == [added]
            host, _, port = added.listen.rpartition(":")
            _, writer = await asyncio.open_connection(host, int(port))
            writer.close()
            [removed] = await answered(control, messages.RemoveForward(added.listen))
            assert removed == added
            assert not await answered(control, messages.ListForwards())
            with pytest.raises(UnavailableError, match="isn't forwarded"):
                await answered(control, messages.RemoveForward(added.listen))
            with pytest.raises(UsageError, match="is not"):
                await answered(control, messages.AddForward("nonsense"))

    run(change())


def test_the_metrics_and_a_reload(run: Run[None], tmp_path: Path) -> None:
    async def change() -> None:
        fleet = Fleet(tmp_path, "a")
        control = Control(fleet.machines)
        async with fleet.serving(), echo_server() as target:
            assert await ask(fleet.proxies["a"], target) is Reply.SUCCEEDED
            texts = await answered(control, messages.Metrics())
            assert 'vsocks_session_up{machine="a"} 1.0' in "".join(each.text for each in texts)
            fleet.say()
            await answered(control, messages.Reload())
            assert len(await answered(control, messages.Status())) == 1

    run(change())
