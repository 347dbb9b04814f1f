"""A daemon with a file of options, and the command that looks at one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.support.daemon import Daemon
from tests.integration.support.waiting import DEADLINE

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]


def check(path: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """`vsocks check-config PATH`, or another command with that file."""
    return subprocess.run(
        [sys.executable, "-m", "vsocks", *(command or ("check-config",)), str(path)],
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )


def test_a_guest_by_its_file(tmp_path: Path) -> None:
    path = tmp_path / "guest.toml"
    path.write_text(
        f'channel = "unix-listen:{tmp_path / "channel"}"\n'
        'listen = ["127.0.0.1:0"]\nlog-format = "json"\nmax-streams = 5\n'
    )
    with Daemon(["guest", "--config", str(path)], tmp_path / "log") as guest:
        guest.wait_for_log(r'"message": "listening on 127\.0\.0\.1:\d+"')
        guest.wait_for_log("ready for 5 connections")
    with Daemon(["guest", "--config", str(path), "--max-streams", "6"], tmp_path / "log") as guest:
        guest.wait_for_log("ready for 6 connections")


def test_a_file_that_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "guest.toml"
    path.write_text("listen = ['x']\n\nmax-strems = 3\n")
    done = check(path)
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        f"{path}:1: listen: 'x' is not ADDR:PORT: the port is missing",
        f"{path}:3: max-strems: there is no such key; did you mean max-streams?",
    ]
    done = check(path, "guest", "--config")
    assert done.returncode == 2
    [line] = done.stderr.splitlines()
    assert line.startswith(f"vsocks guest: error: {path}:1: listen: 'x' is not ADDR:PORT")


def test_a_file_that_is_right(tmp_path: Path) -> None:
    path = tmp_path / "guest.toml"
    path.write_text("listen = ['127.0.0.1:1080']\n")
    done = check(path)
    assert (done.returncode, done.stderr) == (0, "")
