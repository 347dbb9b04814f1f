"""What the tests on Windows share."""

from __future__ import annotations

import asyncio
import faulthandler
import socket
import sys
import time
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")
DEADLINE = 30.0


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run on a ProactorEventLoop, within a deadline; what all threads wait in is told after it."""

    async def with_deadline() -> T:
        loop = asyncio.get_running_loop()
        late = loop.call_later(DEADLINE, faulthandler.dump_traceback, sys.__stderr__ or 2)
        try:
            async with asyncio.timeout(DEADLINE + 1):
                return await coroutine
        finally:
            late.cancel()

    return asyncio.run(with_deadline())


def free_port() -> int:
    """A TCP port that nobody listened on a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port


def wait_until(condition: Callable[[], bool]) -> None:
    """Look again and again, for there is no event, until something is so."""
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline, "it didn't become so"
        time.sleep(0.1)
