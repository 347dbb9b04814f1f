"""Several machines of one daemon: they come and go, and change, by a reload."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.one_process.conftest import Run, until
from tests.one_process.host.fleet import Fleet
from tests.one_process.pair import echo_server
from tests.support.socks_async import ask, connect
from tests.support.socks_messages import Reply
from vsocks.errors import UsageError
from vsocks.policy.policy import Policy, Rule

pytestmark = [pytest.mark.one_process, pytest.mark.timeout(60)]

NOTHING = Policy([Rule.parse("deny", "*")])


def test_new_rules_cut_no_connection(run: Run[None], tmp_path: Path) -> None:
    async def change() -> None:
        fleet = Fleet(tmp_path, "a", "b")
        async with fleet.serving(), echo_server() as target:
            reader, writer = await connect(fleet.proxies["a"], target)
            fleet.say(fleet.machine("a", NOTHING), fleet.machine("b"))
            await fleet.machines.reload()
            assert await ask(fleet.proxies["a"], target) is Reply.NOT_ALLOWED
            assert await ask(fleet.proxies["b"], target) is Reply.SUCCEEDED
            writer.write(b"still")
            assert await reader.readexactly(5) == b"still"
            writer.close()

    run(change())


def test_machines_go_and_come(
    run: Run[None], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def change() -> None:
        fleet = Fleet(tmp_path, "a", "b")
        async with fleet.serving(), echo_server() as target:
            fleet.say(fleet.machine("a"))
            fleet.machines.on_hangup()
            await until(lambda: list(fleet.machines.hosts) == ["a"])
            await until(lambda: not fleet.guests["b"].has_session)
            assert await ask(fleet.proxies["b"], target) is Reply.GENERAL_FAILURE
            fleet.say(fleet.machine("a"), fleet.machine("b"))
            await fleet.machines.reload()
            await fleet.up("b")
            for proxy in fleet.proxies.values():
                assert await ask(proxy, target) is Reply.SUCCEEDED

    with caplog.at_level("INFO"):
        run(change())
    assert "no longer served: it is gone" in caplog.text


def test_a_file_that_is_wrong_changes_nothing(
    run: Run[None], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def change() -> None:
        fleet = Fleet(tmp_path, "a")
        async with fleet.serving(), echo_server() as target:
            fleet.is_wrong = True
            with pytest.raises(UsageError, match="the file is wrong"):
                await fleet.machines.reload()
            assert await ask(fleet.proxies["a"], target) is Reply.SUCCEEDED

    run(change())
    assert "the old configuration stays in force: the file is wrong" in caplog.text
