"""Running coroutines side by side, each with an owner."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Coroutine


async def run_until_first_ends(*coroutines: Coroutine[Any, Any, None]) -> None:
    """Run them together until one ends; the others are cancelled and awaited.

    Raises what the one that ended raised. Not asyncio.TaskGroup: before Python 3.13 that
    loses a cancellation which arrives just as a child fails (python/cpython#116720).
    """
    tasks = [asyncio.ensure_future(coroutine) for coroutine in coroutines]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await cancel(*tasks)
    for task in done:
        task.result()


class Tasks:
    """Tasks that come and go; their owner cancels those that are left."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._tasks)

    def start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Start one more."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def give_up(self) -> None:
        """Cancel all of them; they end soon."""
        for task in self._tasks:
            task.cancel()

    async def cancel(self) -> None:
        """Cancel all of them and wait until they have ended."""
        await cancel(*self._tasks)


async def cancel(*tasks: asyncio.Future[Any]) -> None:
    """Cancel tasks and wait until they have ended; what they raise is of no interest."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
