"""Prints a log file, and what is added to it until a process ends.

python -m inside.follow LOG PID
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from .running import is_running

POLL = 0.1


def follow(path: Path, pid: int) -> None:
    """Copy the file to stdout until the process has ended and all of it is copied."""
    with path.open("rb") as log:
        while True:
            last = not is_running(pid)  # looked at first: what it wrote until then is still read
            while data := log.read(65536):
                sys.stdout.buffer.write(data)
                sys.stdout.buffer.flush()
            if last:
                return
            time.sleep(POLL)


if __name__ == "__main__":
    follow(Path(sys.argv[1]), int(sys.argv[2]))
