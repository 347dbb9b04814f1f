"""What the figures depend on: the machine, what else it does, the versions."""

import os
import platform
import subprocess
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import psutil

from .peer_danted import DANTED


def describe() -> Mapping[str, str]:
    """The facts to print above a table."""
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "processor": f"{os.cpu_count()} x {_processor()}",
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "ssh": _version(["ssh", "-V"]),
        "tinyproxy": _version(["tinyproxy", "-v"]),
        "danted": _version([DANTED, "-v"]),
    }


class Others:
    """How busy the machine is with anything but us: what the figures suffer from."""

    def __init__(self) -> None:
        self._begin = time.monotonic()
        self._used = _used_by_others()

    def __str__(self) -> str:
        """Since this was made; to be asked when all our children have ended."""
        used = max(0.0, _used_by_others() - self._used)
        return f"{used / (time.monotonic() - self._begin):.1f} of {os.cpu_count()} processors"


def _used_by_others() -> float:
    """Processor seconds."""
    busy = psutil.cpu_times()
    everyone = busy.user + busy.nice + busy.system + busy.irq + busy.softirq + busy.steal
    ours = os.times()
    return everyone - ours.user - ours.system - ours.children_user - ours.children_system


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _version(command: list[str]) -> str:
    try:
        done = subprocess.run(
            command,
            check=True,
            timeout=10,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
    except FileNotFoundError:
        return "not installed"
    return done.stdout.strip()
