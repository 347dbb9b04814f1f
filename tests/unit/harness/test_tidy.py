"""Removing what nobody has used for long: never what is being made, or was used since."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from harness.cache import locked_unused, made
from harness.tidy import DAY, remove_unused

pytestmark = pytest.mark.unit


def old_folder(cache: Path, name: str, days: float) -> Path:
    def make(path: Path) -> None:
        (path / "file").write_bytes(bytes(1000))

    folder = made(cache / name, make)
    then = time.time() - days * DAY
    os.utime(folder, (then, then))
    return folder


def test_what_was_used_lately_stays(tmp_path: Path) -> None:
    old = old_folder(tmp_path, "images/debian-1", days=31)
    old_folder(tmp_path, "images/debian-2", days=29)
    used = old_folder(tmp_path, "wine-8", days=31)
    made(used, lambda _: pytest.fail("it was there"))
    assert list(remove_unused(tmp_path, 30)) == [(old, 1000)]
    assert not old.exists()
    assert {path.name for path in tmp_path.glob("**/*-*/")} == {"debian-2", "wine-8"}


def test_what_somebody_is_making_stays(tmp_path: Path) -> None:
    folder = old_folder(tmp_path, "vsocks-guest-1", days=31)
    with locked_unused(folder):
        assert not list(remove_unused(tmp_path, 30))
    assert [path for path, _ in remove_unused(tmp_path, 30)] == [folder]
