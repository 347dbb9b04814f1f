"""The version of the driver's file, for `service status`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

assert sys.platform == "win32"

from vsocks.windows import driver


def test_the_version_of_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a program that has one: this Python. There is no driver in Wine."""
    version = driver.file_version(Path(sys.executable))
    assert version.startswith(f"{sys.version_info.major}.{sys.version_info.minor}.")
    assert driver.file_version(tmp_path) == ""
    monkeypatch.setattr(driver, "system_folder", lambda: tmp_path)
    assert driver.driver_version() == ""
    (tmp_path / "drivers").mkdir()
    (tmp_path / "drivers" / "vioser.sys").write_bytes(b"no resources")
    assert driver.driver_version() == "unknown"
    (tmp_path / "drivers" / "vioser.sys").unlink()
    os.link(sys.executable, tmp_path / "drivers" / "vioser.sys")
    assert driver.driver_version() == version


def test_a_file_without_a_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has resources, but none with numbers: as the DLL says it, for no such file is at hand."""

    class Version:
        GetFileVersionInfoSizeW = staticmethod(lambda *_: 4)
        GetFileVersionInfoW = staticmethod(lambda *_: 1)
        VerQueryValueW = staticmethod(lambda *_: 0)

    monkeypatch.setattr(driver, "_version", Version)
    assert driver.file_version(tmp_path) == ""
