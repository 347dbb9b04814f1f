"""Say on the terminal what is happening and for how long, so that nobody wonders.

A person who looks on sees a line that changes, with a bar where it is known how far a step is; a
log gets lines that stay.
"""

from __future__ import annotations

import os
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

REMINDER = 15.0
"""Seconds between two signs of life of a long step, in a log."""
REDRAWN = 0.2
"""Seconds between two states of the line, for a person."""
BAR = 24
"""Columns of the bar."""
ERASE = "\r\033[K"
"""To the line's beginning, and all of it away (ECMA-48, EL)."""

Fraction = Callable[[], float]
"""How far a step is at this moment, from 0 to 1. Any thread may call it."""


class _Terminal:
    """Lines that stay, and at most one below them that changes. Any thread may write."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._erase = ""

    def write(self, stream: TextIO, text: str) -> None:
        """A line that stays, in place of one that changes."""
        with self._turn:
            erase, self._erase = self._erase if is_watched(stream) else "", ""
            print(f"{erase}{text}", file=stream, flush=True)

    def rewrite(self, stream: TextIO, text: str) -> None:
        """Another text for the line that changes."""
        with self._turn:
            print(f"{self._erase}{text}", end="", file=stream, flush=True)
            self._erase = ERASE


_terminal = _Terminal()


def say(text: str, stream: TextIO | None = None) -> None:
    """Print one line now, also into a pipe."""
    _terminal.write(stream or sys.stderr, text)


def is_watched(stream: TextIO) -> bool:
    """Whether a person looks on, at a terminal that can rewrite a line."""
    return stream.isatty() and os.environ.get("TERM", "dumb") != "dumb"


@contextmanager
def step(
    title: str, stream: TextIO | None = None, *, fraction: Fraction | None = None
) -> Iterator[None]:
    """Announce a step, show that it goes on, and say at its end how long it took."""
    stream = stream or sys.stderr
    watched = is_watched(stream)
    began = time.monotonic()
    over = threading.Event()

    def show() -> None:
        while not over.wait(REDRAWN if watched else REMINDER):
            seconds = time.monotonic() - began
            if watched:
                line = drawn(title, seconds, fraction and fraction(), _columns())
                _terminal.rewrite(stream, line)
            else:
                say(f"   … {title}: {seconds:.0f} s", stream)

    shown = threading.Thread(target=show, name="progress", daemon=True)
    say(f"-> {title}", stream)
    shown.start()
    outcome = "failed after"
    try:
        yield
        outcome = "done in"
    finally:
        over.set()
        shown.join()
        say(f"   {title}: {outcome} {time.monotonic() - began:.1f} s", stream)


def drawn(title: str, seconds: float, fraction: float | None, columns: int) -> str:
    """The line for a person: a bar, if it is known how far it is, the time, and the title."""
    bar = ""
    if fraction is not None:
        full = int(BAR * min(max(fraction, 0.0), 1.0))
        bar = f"[{'#' * full}{'.' * (BAR - full)}] "
    return f"   {bar}{seconds:3.0f} s  {title}"[: columns - 1]


class LastTime:
    """How far something is, by how long it took the last time; a `Fraction`.

    `memory` is a file that holds so many seconds; without it, `guess` is what it may take.
    """

    def __init__(self, memory: Path, guess: float) -> None:
        self._memory = memory
        self._expected = guess
        with suppress(OSError, ValueError):
            self._expected = max(1.0, float(memory.read_text()))
        self._began = time.monotonic()

    def __call__(self) -> float:
        """Never 1: who takes longer than the last time isn't at the end."""
        return min(0.99, (time.monotonic() - self._began) / self._expected)

    def remember(self) -> None:
        """It has ended well: this is how long it takes."""
        self._memory.write_text(f"{time.monotonic() - self._began:.1f}\n")


def _columns() -> int:
    return shutil.get_terminal_size().columns
