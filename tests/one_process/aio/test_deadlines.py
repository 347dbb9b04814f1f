"""Deadlines on every loop: in their order, each once, and none that was taken back."""

from __future__ import annotations

import asyncio

import pytest

from tests.one_process.conftest import Run
from vsocks.aio.current import reactor

pytestmark = [pytest.mark.one_process, pytest.mark.timeout(60)]


def test_one_that_is_now_and_one_that_is_later(run: Run[None]) -> None:
    async def wait() -> None:
        deadlines, called, over = reactor().deadlines, [], asyncio.Event()
        deadlines.set("now", 0.0, lambda: called.append("now"))
        deadlines.set("last", 0.03, over.set)
        deadlines.set("next", 0.01, lambda: called.append("next"))
        deadlines.set("taken back", 0.02, lambda: called.append("taken back"))
        deadlines.clear("taken back")
        await over.wait()
        assert called == ["now", "next"]

    run(wait())


def test_one_that_is_set_again_comes_once(run: Run[None]) -> None:
    async def wait() -> None:
        deadlines, called, over = reactor().deadlines, [], asyncio.Event()

        def again() -> None:
            called.append("again")
            if len(called) < 3:
                deadlines.set("one", 0.0, again)

        deadlines.set("one", 60.0, lambda: called.append("too early"))
        deadlines.set("one", 0.0, again)
        deadlines.set("other", 0.05, over.set)
        await over.wait()
        assert called == ["again"] * 3

    run(wait())


def test_a_fault_in_one_keeps_no_other_from_coming(run: Run[None]) -> None:
    async def wait() -> None:
        faults = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: faults.append(context))
        deadlines, over = reactor().deadlines, asyncio.Event()

        def fail() -> None:
            raise ValueError("a fault")

        deadlines.set("faulty", 0.0, fail)
        deadlines.set("other", 0.01, over.set)
        await over.wait()
        assert len(faults) == 1

    run(wait())
