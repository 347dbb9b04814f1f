"""A program on the host, run beside the test: its log, its end, and no way to outlive us."""

from __future__ import annotations

import os
import shlex
import signal as signals
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from .transcript import Pump, Transcript

TETHER = ("setpriv", "--pdeathsig", "KILL", "--")
"""In front of a command line: the kernel kills that program when the thread that began it ends."""


class HostProcess:
    """A child with its output (both streams) in `log`, also kept in a file; killed at the end."""

    def __init__(self, name: str, command: Sequence[str], folder: Path) -> None:
        self.name = name
        self.command = list(command)
        self.log = Transcript(name)
        self._process = subprocess.Popen(
            [*TETHER, *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        assert self._process.stdout
        output = os.dup(self._process.stdout.fileno())
        self._process.stdout.close()
        self._pump = Pump(output, self.log, folder / f"{name}.log")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def __str__(self) -> str:
        return shlex.join(self.command)

    def signal(self, signal: str) -> None:
        """Send a signal, and don't wait for anything."""
        self._process.send_signal(signals.Signals[f"SIG{signal}"])

    def kill(self, signal: str = "KILL", timeout: float = 10) -> int:
        """Send a signal, wait for the end, and return the exit status (negative: a signal)."""
        if self._process.poll() is None:
            self.signal(signal)
        status = self._process.wait(timeout)
        self._pump.close()
        return status

    def end(self, timeout: float = 10) -> int:
        """Ask it to end; kill it if it doesn't. The exit status, as of `kill`."""
        try:
            return self.kill("TERM", timeout)
        except subprocess.TimeoutExpired:
            return self.kill()


def host_daemon(channel: Path, *arguments: str, folder: Path, name: str = "host") -> HostProcess:
    """`vsocks host` on the socket of a port."""
    command = [sys.executable, "-m", "vsocks", "host", "--channel", f"unix:{channel}"]
    return HostProcess(name, [*command, *arguments], folder)
