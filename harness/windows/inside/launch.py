"""Starts a program that outlives the SSH session, and prints its number.

python -m inside.launch LOG PROGRAM [ARGUMENT]…

Windows' sshd runs everything of a session in a job that is killed at the session's end, but lets
processes leave that job. Nothing is inherited but the log: a program that held the session's pipes
would keep the session from ending.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path


def launch(log: Path, command: Sequence[str]) -> int:
    """Start it; the number of the process."""
    log.parent.mkdir(parents=True, exist_ok=True)
    flags = 0
    if sys.platform == "win32":
        flags |= subprocess.CREATE_BREAKAWAY_FROM_JOB
        # Detached: a console would come with a process of its own, which may hold our pipes.
        flags |= subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.DETACHED_PROCESS
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            creationflags=flags,
            start_new_session=sys.platform != "win32",
        )
    return process.pid


if __name__ == "__main__":
    print(launch(Path(sys.argv[1]), sys.argv[2:]), flush=True)
