"""Whether an event loop gives everybody a turn."""

from __future__ import annotations

import asyncio
from typing import Self

from vsocks.aio.tasks import cancel


class Turns:
    """Somebody else in the loop, who counts his turns while the context lasts."""

    def __init__(self) -> None:
        self.count = 0

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._take_turns())
        return self

    async def __aexit__(self, *_: object) -> None:
        await cancel(self._task)

    async def _take_turns(self) -> None:
        while True:
            self.count += 1
            await asyncio.sleep(0)
