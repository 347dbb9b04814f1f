"""What processes have used so far: processor time and memory, with their children."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import psutil

T = TypeVar("T")


def cpu_seconds(pids: Iterable[int]) -> float:
    """User and system time, that of children which have ended included."""
    return sum(sum(times) for times in _of_family(pids, _cpu_times))


def peak_megabytes(pids: Iterable[int]) -> float:
    """The sum of the largest resident sizes that each had, in MB."""
    return sum(_of_family(pids, _peak_kilobytes)) * 1024 / 1e6


def _cpu_times(process: psutil.Process) -> tuple[float, float, float, float]:
    times = process.cpu_times()
    return times.user, times.system, times.children_user, times.children_system


def _peak_kilobytes(process: psutil.Process) -> int:
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0])


def _of_family(pids: Iterable[int], ask: Callable[[psutil.Process], T]) -> Iterator[T]:
    """The answers of the processes and of their children; a child may end before it's asked."""
    for pid in pids:
        process = psutil.Process(pid)
        children = process.children(recursive=True)
        yield ask(process)
        for child in children:
            with suppress(psutil.NoSuchProcess):
                yield ask(child)
