"""The lines of an audit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.integration.support.waiting import eventually

Line = dict[str, Any]


def lines(path: Path, **wanted: object) -> list[Line]:
    """All lines that have these values; each must be whole."""
    all_lines = [json.loads(line) for line in path.read_text().splitlines()]
    return [line for line in all_lines if wanted.items() <= line.items()]


def awaited(path: Path, count: int, **wanted: object) -> list[Line]:
    """The same, when there are as many."""

    def found() -> list[Line]:
        there = lines(path, **wanted)
        assert len(there) >= count, path.read_text()
        return there

    return eventually(found)
