"""What `make` shows of an installation: a line, and the end of the log if it fails."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.integration.support.waiting import DEADLINE

pytestmark = pytest.mark.integration

QUIETLY = Path(__file__).parents[2] / "harness" / "quietly"


def quietly(log: Path, script: str) -> subprocess.CompletedProcess[str]:
    command = [str(QUIETLY), str(log), "installing things", "sh", "-c", script]
    return subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE, check=False)


def test_what_goes_well_is_a_line_and_the_rest_is_in_the_log(tmp_path: Path) -> None:
    log = tmp_path / "new folder" / "setup.log"
    done = quietly(log, "echo noise; echo more noise >&2")
    assert done.returncode == 0
    assert done.stdout == ""
    assert done.stderr.startswith(f"-> installing things (log: {log})\n")
    assert "noise" not in done.stderr
    assert log.read_text().endswith("installing things\nnoise\nmore noise\n")


def test_what_fails_shows_the_end_of_what_it_said(tmp_path: Path) -> None:
    log = tmp_path / "setup.log"
    quietly(log, "echo of another time")
    done = quietly(log, "seq 1000; exit 7")
    assert done.returncode == 7
    assert "failed with status 7" in done.stderr
    assert done.stderr.endswith("998\n999\n1000\n")
    assert "of another time" not in done.stderr
    assert len(done.stderr.splitlines()) < 40
