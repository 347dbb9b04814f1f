"""Say on the terminal what is happening and for how long, so that nobody wonders."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

REMINDER = 15.0
"""Seconds between two signs of life of a long step."""


def say(text: str, stream: TextIO | None = None) -> None:
    """Print one line now, also into a pipe."""
    print(text, file=stream or sys.stderr, flush=True)


@contextmanager
def step(title: str, stream: TextIO | None = None) -> Iterator[None]:
    """Announce a step, remind of it while it lasts, and say at its end how long it took."""
    began = time.monotonic()
    over = threading.Event()

    def remind() -> None:
        while not over.wait(REMINDER):
            say(f"   … {title}: {time.monotonic() - began:.0f} s", stream)

    reminder = threading.Thread(target=remind, name="progress", daemon=True)
    say(f"-> {title}", stream)
    reminder.start()
    outcome = "failed after"
    try:
        yield
        outcome = "done in"
    finally:
        over.set()
        reminder.join()
        say(f"   {title}: {outcome} {time.monotonic() - began:.1f} s", stream)
