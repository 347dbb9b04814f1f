"""What the tests on Windows share."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")
DEADLINE = 30.0


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run on a ProactorEventLoop, within a deadline."""

    async def with_deadline() -> T:
        async with asyncio.timeout(DEADLINE):
            return await coroutine

    return asyncio.run(with_deadline())
