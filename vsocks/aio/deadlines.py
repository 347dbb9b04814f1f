"""Many deadlines on one timer: setting or clearing one costs next to nothing.

Each connection sets several in its life, and hardly any of them is ever reached.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Hashable


class Deadlines:
    """What to call when an owner's time is up; an owner has at most one deadline."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._deadlines: dict[Hashable, tuple[float, Callable[[], None]]] = {}
        self._timer: asyncio.TimerHandle | None = None
        #: When it comes. (uvloop gives no TimerHandle for a time that is now.)
        self._timer_at = math.inf

    def set(self, owner: Hashable, seconds: float, callback: Callable[[], None]) -> None:
        """Call ``callback`` after ``seconds``; replaces the owner's deadline, if it has one."""
        when = self._loop.time() + seconds
        self._deadlines[owner] = (when, callback)
        if when < self._timer_at:
            self._arm(when)

    def clear(self, owner: Hashable) -> None:
        """Remove the owner's deadline, if it has one."""
        self._deadlines.pop(owner, None)

    def close(self) -> None:
        """Remove all deadlines."""
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
