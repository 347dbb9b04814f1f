"""A command whose output nobody wants to see unless it fails."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path


def captured(
    command: Sequence[str | Path],
    failure: type[Exception],
    *,
    name: str = "",
    lines: int = 40,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    timeout: float | None = None,
) -> str:
    """What it printed on both streams. Raises ``failure`` with the last lines if it fails.

    ``name`` stands for the command in the message, else it is shown as a whole. Raises
    subprocess.TimeoutExpired.
    """
    ended = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
        cwd=cwd,
        env=env,
        timeout=timeout,
    )
    if ended.returncode:
        tail = "\n".join(ended.stdout.splitlines()[-lines:])
        shown = name or " ".join(map(str, command))
        raise failure(f"{shown} ended with {ended.returncode}:\n{tail}")
    return ended.stdout
