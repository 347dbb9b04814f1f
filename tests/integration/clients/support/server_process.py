"""Somebody else's server as a process, with its log as something to wait for."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from harness.transcript import Pump, Transcript
from tests.integration.clients.support.command import needs
from tests.integration.support.waiting import DEADLINE


@contextmanager
def server_process(
    command: Sequence[str], folder: Path, *, ready: str, failing: Sequence[str] = ()
) -> Iterator[Transcript]:
    """Run it from the line of its log that `ready` matches to leaving the context.

    The log is its standard error, and goes to `folder/NAME.log` too.
    """
    needs(command[0])
    name = Path(command[0]).name
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    ) as process:
        assert process.stderr
        log = Transcript(name)
        pump = Pump(os.dup(process.stderr.fileno()), log, folder / f"{name}.log")
        try:
            log.wait(ready, timeout=DEADLINE, failing=failing)
            yield log
        finally:
            process.terminate()
            try:
                process.wait(DEADLINE)
            except subprocess.TimeoutExpired:
                process.kill()
                raise
            pump.close()
