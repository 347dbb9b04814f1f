"""How long a test is willing to wait, and the one way to wait for what sends no signal."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

DEADLINE = 20.0
"""Seconds after which a wait has failed. Never a measure of speed: only the end of patience."""

POLL = 0.02

T = TypeVar("T")


def eventually(attempt: Callable[[], T], *, deadline: float = DEADLINE) -> T:
    """What `attempt` returns, once it raises no AssertionError; its last error after `deadline`.

    For what can only be asked, not awaited (is a slot free again?). Whatever can be awaited is.
    """
    end = time.monotonic() + deadline
    while True:
        try:
            return attempt()
        except AssertionError:
            if time.monotonic() > end:
                raise
            time.sleep(POLL)
