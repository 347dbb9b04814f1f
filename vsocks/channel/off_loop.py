"""Calls that may block, kept off the event loop."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


async def off_loop(
    function: Callable[[], T], discard: Callable[[T], None] = lambda _result: None
) -> T:
    """Call what may block, in a thread of its own that doesn't delay the end of the process.

    If this is cancelled, the call goes on and its result goes to ``discard``.
    """
    loop = asyncio.get_running_loop()
    outcome: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: Exception | None) -> None:
        if outcome.cancelled():
            if error is None:
                threading.Thread(target=discard, args=(result,), daemon=True).start()
        elif error is not None:
            outcome.set_exception(error)
        else:
            outcome.set_result(result)  # type: ignore[arg-type]

    def call() -> None:
        result: T | None = None
        error: Exception | None = None
        try:
            result = function()
        except Exception as raised:
            error = raised
        with contextlib.suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(settle, result, error)

    threading.Thread(target=call, name="device", daemon=True).start()
    return await outcome
