"""What tests in one event loop share."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any, TypeVar

import pytest

from vsocks.aio.completion import Completion
from vsocks.aio.current import reactor, use

T = TypeVar("T")
#: Runs a coroutine to its end, within a deadline, on the loop and reactor of the case.
Run = Callable[[Coroutine[Any, Any, T]], T]

DEADLINE = 8.0


def _factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    factories: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
        "asyncio": asyncio.new_event_loop,
        "completion": asyncio.new_event_loop,
    }
    with contextlib.suppress(ImportError):
        import uvloop

        factories["uvloop"] = uvloop.new_event_loop
    return factories


@pytest.fixture(params=sorted(_factories()))
def run(request: pytest.FixtureRequest) -> Run[Any]:
    """Readiness on both loops; completion by the loop's own operations, as Windows has it."""
    case = request.param

    def run(work: Coroutine[Any, Any, T]) -> T:
        async def within_deadline() -> T:
            if case == "completion":
                use(Completion(asyncio.get_running_loop()))
            try:
                async with asyncio.timeout(DEADLINE):
                    return await work
            finally:
                reactor().close()

        with asyncio.Runner(loop_factory=_factories()[case]) as runner:
            return runner.run(within_deadline())

    return run


@contextlib.asynccontextmanager
async def running(*work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run them beside the body, and see to their end."""
    tasks = [asyncio.ensure_future(each) for each in work]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        for result in results:
            if isinstance(result, Exception):
                raise result


async def until(condition: Callable[[], object]) -> None:
    """Give others their turns until something is so."""
    while not condition():  # noqa: ASYNC110 - it is told in the log at most
        await asyncio.sleep(0.001)
