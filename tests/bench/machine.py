"""What the figures depend on: the machine, its load, the versions."""

import os
import platform
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path


def describe(before: str) -> Mapping[str, str]:
    """The facts to print above a table; `before` is the `load()` before the run."""
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "processor": f"{os.cpu_count()} x {_processor()}",
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "ssh": _version(["ssh", "-V"]),
        "load before": before,
    }


def load() -> str:
    """The average number of running processes; above 0.5 or so the figures suffer."""
    return f"{os.getloadavg()[0]:.1f}"


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _version(command: list[str]) -> str:
    done = subprocess.run(
        command, check=True, timeout=10, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    return done.stdout.strip()
