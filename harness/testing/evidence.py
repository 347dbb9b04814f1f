"""What is kept of a machine whose test has failed."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from .pair import VsocksPair


def folder_of(artifacts: Path, test: str) -> Path:
    """Where the evidence of a test goes, by pytest's name of it."""
    return artifacts / re.sub(r"[^\w.-]+", "_", test.rsplit("/", maxsplit=1)[-1])


def collect(pair: VsocksPair, folder: Path) -> None:
    """Save everything that may explain a failure; what can't be got is told in its place."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        pair.vm.screenshot((folder / "screen.png").resolve())
    except Exception as error:
        (folder / "screen.txt").write_text(repr(error))
    for process in pair.in_guest:
        (folder / f"{process.name}-{process.pid}.log").write_text(process.log.text())
    _collect_logs_in_guest(pair, folder)
    # The console, QEMU's output, what QMP said, and the host daemons' logs.
    for log in pair.vm.folder.glob("*.log"):
        shutil.copy(log, folder)


def _collect_logs_in_guest(pair: VsocksPair, folder: Path) -> None:
    """What was not followed: the connection may have ended before the process.

    A machine that others share goes on; so do the logs that are followed.
    """
    try:
        pair.guest.reconnect()
        logs = pair.guest.daemon_logs()
        for process in pair.in_guest:
            process.follow()
    except Exception as error:
        logs = repr(error)
    (folder / "logs-in-guest.txt").write_text(logs)
