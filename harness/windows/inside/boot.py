"""Tells the host, at every boot, when SSH is answered and how long this Windows may still run."""

from __future__ import annotations

import socket
import subprocess
import sys
import time

from .evaluation import evaluation_minutes
from .tell import tell

SECONDS = 300


def sshd_answers(port: int) -> bool:
    """Whether an SSH server greets at this port."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False


def wait_for_sshd(port: int = 22, seconds: float = SECONDS) -> bool:
    """Start the service if Windows has not yet, and wait until it greets."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if sshd_answers(port):
            return True
        subprocess.run(["net.exe", "start", "sshd"], capture_output=True, check=False)
        time.sleep(0.5)
    return False


def main() -> int:
    """Wait, and say how it went."""
    tell("booting")
    if not wait_for_sshd():
        tell(f"failed: no SSH server within {SECONDS} s")
        return 1
    tell("ready")
    tell(f"evaluation-minutes {evaluation_minutes()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
