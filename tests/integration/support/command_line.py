"""`vsocks` as it is typed, for commands that end by themselves."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence

from tests.integration.support.waiting import DEADLINE

USAGE = 2
UNAVAILABLE = 69
FORBIDDEN = 77


def run(
    *arguments: str, prefix: Sequence[str] = (), environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """`vsocks ARGUMENTS`; `prefix` is a command to run it under."""
    return subprocess.run(
        [*prefix, sys.executable, "-m", "vsocks", *arguments],
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
        stdin=subprocess.DEVNULL,
        env=environment,
    )


def assert_refused(done: subprocess.CompletedProcess[str], *says: str, status: int = USAGE) -> None:
    """Hold it to that exit status, and to one line that says so."""
    assert done.returncode == status, done.stderr
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert [text for text in says if text not in done.stderr] == [], done.stderr
