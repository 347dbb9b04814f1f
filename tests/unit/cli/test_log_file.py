"""The log file: its size, the older ones, and what happens when something is in the way."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from vsocks.cli.log_file import LogFile

pytestmark = pytest.mark.unit

SIZE = 100


def write(handler: logging.Handler, *lines: str) -> None:
    for line in lines:
        handler.emit(logging.LogRecord("vsocks", logging.INFO, "", 0, line, None, None))


def test_a_full_file_moves_on(tmp_path: Path) -> None:
    path = tmp_path / "it.log"
    handler = LogFile(path, SIZE, older=2)
    write(handler, *(f"{n} ".ljust(59, "x") for n in range(5)))
    handler.close()
    kept = [path, tmp_path / "it.log.1", tmp_path / "it.log.2"]
    assert [each.read_text()[0] for each in kept] == ["4", "3", "2"]
    assert sorted(tmp_path.iterdir()) == sorted(kept)
    assert all(each.stat().st_size <= SIZE for each in kept)


def test_it_goes_on_where_it_was(tmp_path: Path) -> None:
    path = tmp_path / "it.log"
    for line in ("one", "two\udc80"):
        handler = LogFile(path, SIZE, older=1)
        write(handler, line)
        handler.close()
    assert path.read_text().splitlines() == ["one", "two\\udc80"]


def test_an_older_file_that_is_in_the_way_is_no_reason_to_stop(tmp_path: Path) -> None:
    path = tmp_path / "it.log"
    (tmp_path / "it.log.1").mkdir()
    handler = LogFile(path, SIZE, older=1)
    write(handler, *(f"{n} ".ljust(59, "x") for n in range(3)))
    handler.close()
    assert path.read_text()[0] == "2"
