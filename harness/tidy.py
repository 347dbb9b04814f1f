"""Removing what was made once and is used no more."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from .cache import locked_unused

DAY = 86400.0


def remove_unused(cache: Path, days: float) -> Iterator[tuple[Path, int]]:
    """Remove the folders that nobody has asked for within so many days; each with its size.

    What somebody is making, or waits for, stays.
    """
    now = time.time()
    for path in sorted([*cache.glob("*-*/"), *cache.glob("images/*/")]):
        if now - path.stat().st_mtime < days * DAY:
            continue
        size = sum(file.lstat().st_size for file in path.rglob("*") if file.is_file())
        with locked_unused(path) as is_ours:
            if is_ours:
                shutil.rmtree(path)
                yield path, size
