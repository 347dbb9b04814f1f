"""What a long step shows: a line that changes to a person, lines that stay to a log."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import sys
import time

import pytest

from harness.places import ROOT
from tests.support.program import running

pytestmark = pytest.mark.integration

DEADLINE = 30.0
STEP = """
from harness.progress import say, step
with step("making it", fraction=lambda: 0.5):
    say("   log: where")
    input()
"""
COMMAND = [sys.executable, "-c", STEP]


def test_a_person_sees_a_bar_that_gives_way_to_lines_that_stay() -> None:
    ours, theirs = pty.openpty()
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm", "COLUMNS": "80"}
    with running(COMMAND, env=environment, stdin=theirs, stdout=theirs, stderr=theirs) as child:
        os.close(theirs)
        shown = read_until(ours, b"[############............] ")
        shown += read_until(ours, b"[############............] ")
        os.write(ours, b"\n")
        shown += read_until(ours, b"done in")
        assert child.wait(DEADLINE) == 0
    os.close(ours)
    stays = [line.rpartition("\033[K")[2] for line in shown.decode().split("\r\n")]
    assert stays[:2] == ["-> making it", "   log: where"]
    assert "   making it: done in" in shown.decode().rpartition("\033[K")[2]


@pytest.mark.parametrize("term", ["xterm", "dumb"])
def test_a_log_gets_whole_lines_and_nothing_else(term: str) -> None:
    done = subprocess.run(
        COMMAND,
        env={**os.environ, "PYTHONPATH": str(ROOT), "TERM": term},
        input="\n",
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=True,
    )
    assert re.fullmatch(
        r"-> making it\n   log: where\n   making it: done in \d+\.\d s\n", done.stderr
    )


def test_a_terminal_that_rewrites_no_line_is_a_log() -> None:
    ours, theirs = pty.openpty()
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "dumb"}
    with running(COMMAND, env=environment, stdin=theirs, stdout=theirs, stderr=theirs) as child:
        os.close(theirs)
        shown = read_until(ours, b"log: where")
        os.write(ours, b"\n")
        shown += read_until(ours, b"done in")
        assert child.wait(DEADLINE) == 0
    os.close(ours)
    assert b"\033" not in shown
    assert b"#" not in shown


def read_until(terminal: int, wanted: bytes) -> bytes:
    """What a terminal shows, up to what is wanted and perhaps a bit more."""
    seen, deadline = b"", time.monotonic() + DEADLINE
    while wanted not in seen:
        ready, _, _ = select.select([terminal], [], [], max(0.0, deadline - time.monotonic()))
        assert ready, f"{wanted!r} did not come within {DEADLINE:g} s: {seen!r}"
        seen += os.read(terminal, 65536)
    return seen
