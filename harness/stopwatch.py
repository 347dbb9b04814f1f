"""Where the time goes: what takes long says so, and whoever wants a table asks for the sums."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

_spent: dict[str, float] = {}


@contextmanager
def timed(what: str) -> Iterator[None]:
    """Count the block's seconds under a name. What is timed in it counts there only."""
    inner = sum(_spent.values())
    began = time.monotonic()
    try:
        yield
    finally:
        within = sum(_spent.values()) - inner
        _spent[what] = _spent.get(what, 0.0) + time.monotonic() - began - within


def take() -> dict[str, float]:
    """The sums since the last call, by name."""
    taken = dict(_spent)
    _spent.clear()
    return taken
