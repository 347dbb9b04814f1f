"""All machines that libvirt runs and that have a port of ours: libvirt:*.

libvirt says when one is started or stopped. A look at all of them costs nearly a millisecond for
each, so there are few without its word: a port that is added to a running machine makes no event.
"""

from __future__ import annotations

import sys

assert sys.platform != "win32"

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Final

from vsocks.aio.tasks import cancel
from vsocks.channel.libvirt import running_domains
from vsocks.channel.libvirt_events import EVENTS
from vsocks.channel.off_loop import off_loop
from vsocks.errors import describe
from vsocks.host.found import Found

if TYPE_CHECKING:
    from collections.abc import Iterator

log = logging.getLogger(__name__)

#: Seconds between looks without a word, and after one that has failed.
_LOOK_EVERY: Final = 30.0
_RETRY: Final = 5.0


class RunningDomains:
    """Knows the domains, for as long as somebody wants them.

    What is known stays known while libvirt's daemon doesn't answer: the machines go on without it.
    """

    def __init__(self) -> None:
        self.names: tuple[str, ...] = ()
        self._users = 0
        self._changed = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._looking: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Know them from soon on. Raises ModuleNotFoundError without libvirt's Python package."""
        if not self._users:
            self._loop = asyncio.get_running_loop()
            await off_loop(lambda: EVENTS.add(self._on_change))
            self._looking = asyncio.create_task(self._look())
        self._users += 1

    async def close(self) -> None:
        """To be called once for each start()."""
        self._users -= 1
        if not self._users and self._looking is not None:
            await cancel(self._looking)
            await off_loop(lambda: EVENTS.remove(self._on_change))
            self.names = ()

    def _on_change(self, _domain: str) -> None:
        """In libvirt's thread."""
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended
                self._loop.call_soon_threadsafe(self._changed.set)

    async def _look(self) -> None:
        last_problem = ""
        while True:
            self._changed.clear()
            try:
                self.names = await off_loop(running_domains)
                problem = ""
            except OSError as error:
                problem = describe(error)
            if problem and problem != last_problem:
                log.warning("libvirt's machines can't be looked for: %s", problem)
            last_problem = problem
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_RETRY if problem else _LOOK_EVERY):
                    await self._changed.wait()


#: Of this process: what is known outlives a reload, which makes its origins anew.
RUNNING: Final = RunningDomains()


class LibvirtMachines(Found):
    """An Origin: each of them is a machine, with the domain's name."""

    _looks = False

    async def start(self) -> None:
        """Look for them. Raises ModuleNotFoundError without libvirt's Python package."""
        await RUNNING.start()
        self._looks = True

    async def close(self) -> None:
        """Look no more, if it has begun."""
        if self._looks:
            self._looks = False
            await RUNNING.close()

    def channels(self) -> Iterator[tuple[str, str]]:
        """Those that were found last."""
        return ((name, f"libvirt:{name}") for name in RUNNING.names)
