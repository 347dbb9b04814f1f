"""What processes have used so far: processor time and memory, with their children."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import psutil


def cpu_seconds(pids: Iterable[int]) -> float:
    """User and system time, that of children which have ended included."""
    total = 0.0
    for process in _family(pids):
        times = process.cpu_times()
        total += times.user + times.system + times.children_user + times.children_system
    return total


def peak_megabytes(pids: Iterable[int]) -> float:
    """The sum of the largest resident sizes that each had, in MB."""
    kilobytes = 0
    for process in _family(pids):
        for line in Path(f"/proc/{process.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                kilobytes += int(line.split()[1])
    return kilobytes * 1024 / 1e6


def _family(pids: Iterable[int]) -> Iterator[psutil.Process]:
    for pid in pids:
        process = psutil.Process(pid)
        yield process
        yield from process.children(recursive=True)
