"""Many deadlines on one timer: to set one and to take it back costs next to nothing.

Each connection has several in its life, and hardly one of them ever comes.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Hashable


class Deadlines:
    """What is to be called when the time of its owner is over; an owner has one deadline."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._deadlines: dict[Hashable, tuple[float, Callable[[], None]]] = {}
        self._timer: asyncio.TimerHandle | None = None
        #: When it comes. (uvloop gives no TimerHandle for a time that is now.)
        self._timer_at = math.inf

    def set(self, owner: Hashable, seconds: float, callback: Callable[[], None]) -> None:
        """Call ``callback`` after ``seconds``, in place of the owner's deadline before, if any."""
        when = self._loop.time() + seconds
        self._deadlines[owner] = (when, callback)
        if when < self._timer_at:
            self._arm(when)

    def clear(self, owner: Hashable) -> None:
        """Take the owner's deadline back, if it has one."""
        self._deadlines.pop(owner, None)

    def close(self) -> None:
        """Call nothing any more."""
        self._deadlines.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer, self._timer_at = None, math.inf

    def _arm(self, when: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._timer_at = self._loop.call_at(when, self._on_time), when

    def _on_time(self) -> None:
        """Call what is due. The timer may have been set for one that was taken back."""
        self._timer, self._timer_at = None, math.inf
        now = self._loop.time()
        due = [owner for owner, (when, _) in self._deadlines.items() if when <= now]
        try:
            for owner in due:
                # One that was called before it may have taken it back, or set it anew.
                when, callback = self._deadlines.get(owner, (math.inf, None))
                if when <= now and callback is not None:
                    del self._deadlines[owner]
                    callback()
        finally:
            next_one = min((when for when, _ in self._deadlines.values()), default=math.inf)
            if next_one < self._timer_at:
                self._arm(next_one)
