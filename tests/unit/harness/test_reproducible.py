"""The time that all files of a build have."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.reproducible import EPOCH, source_epoch

pytestmark = pytest.mark.unit


def test_files_have_a_time_where_there_is_no_git(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert source_epoch() == EPOCH
