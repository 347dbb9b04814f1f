"""What the tests of Windows machines share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.windows_vm import things


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, for builds by emulation with a Windows Python of ours."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("VSOCKS_CACHE", str(folder))
    monkeypatch.setenv("VSOCKS_ACCEL", "tcg")
    monkeypatch.setattr("harness.exe.python.windows_python", lambda: things.python(tmp_path))
    return folder
