"""The whole program in one file, as it is carried into a Linux guest."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from signal import SIGTERM
from zipfile import ZipFile

import pytest

import vsocks
from harness.pyz import guest_pyz, write_pyz
from tests.integration.support.curl import curl
from tests.integration.support.http_target import HttpTarget, file_digest
from tests.integration.support.layouts import unix_guest_listens
from tests.integration.support.pair import GuestProgram, Pair
from tests.integration.support.waiting import DEADLINE

pytestmark = [pytest.mark.integration, pytest.mark.timeout(60)]

SIZE = 2_000_003
BARE = (sys.executable, "-I", "-S")
"""A Python that has its standard library alone, and sees no source of ours."""


@pytest.fixture
def program(tmp_path: Path) -> Path:
    return write_pyz(tmp_path)


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE, check=False)


def test_it_starts_by_itself_and_tells_its_version(program: Path) -> None:
    done = run(program, "--version")
    assert (done.returncode, done.stdout) == (0, f"vsocks {vsocks.__version__}\n")


def test_its_exit_status_is_that_of_the_program(program: Path) -> None:
    assert run(*BARE, program, "guest", "--channel", "nonsense").returncode == 2


def test_the_guest_daemon_carries_a_file_with_nothing_but_it(program: Path, tmp_path: Path) -> None:
    command = (*BARE, str(program), "guest")
    with (
        unix_guest_listens(tmp_path) as ends,
        Pair(ends, tmp_path, guest_program=GuestProgram(command, {}, SIGTERM)) as pair,
        HttpTarget("127.0.0.1") as server,
    ):
        pair.start()
        url = f"http://127.0.0.1:{server.port}/7/{SIZE}"
        got = curl(url, "--socks5-hostname", pair.proxy_text)
    assert (got.status, got.errors) == (0, "")
    assert got.digest == file_digest(7, SIZE)


def test_two_builds_are_the_same() -> None:
    assert guest_pyz() == guest_pyz()


def test_a_python_that_is_too_old_is_told_so_in_a_line(program: Path) -> None:
    """What it would read of ours, and what it would do then; no such Python is at hand."""
    for file in early_files(program):
        ast.parse(file, feature_version=(3, 6))
    pretending = (
        "import runpy, sys; sys.version_info = (3, 6, 15, 'final', 0); "
        "sys.argv = ['vsocks', '--version']; "
        f"runpy.run_path({str(program)!r}, run_name='__main__')"
    )
    done = run(*BARE, "-c", pretending)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == ("vsocks: error: it needs Python 3.11 or newer, and this is 3.6.15\n")


def early_files(program: Path) -> Iterator[bytes]:
    """What a Python has compiled before it comes to the check."""
    with ZipFile(program) as files:
        for name in ("__main__.py", "vsocks/__init__.py", "vsocks/__main__.py"):
            yield files.read(name)
