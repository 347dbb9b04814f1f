"""Memory and descriptors of the daemons' processes, each from its start to its end."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field

from tests.integration.support.daemon import Daemon
from tests.integration.support.descriptors import descriptors
from tests.integration.support.memory import own_memory

#: What counts of a life for the slope: at first everything is used for the first time.
SETTLED = 0.3
#: Minutes of a life whose slope says anything.
LEAST = 1.0


@dataclass
class Life:
    """One process."""

    pid: int
    #: When, in minutes, and how much memory of its own it held then, in kB.
    samples: list[tuple[float, float]] = field(default_factory=list)

    def sample(self) -> None:
        """Look at it now."""
        self.samples.append((time.monotonic() / 60, own_memory(self.pid) / 1000))

    @property
    def minutes(self) -> float:
        """How long it was looked at."""
        return self.samples[-1][0] - self.samples[0][0] if self.samples else 0.0

    @property
    def slope(self) -> float:
        """How its memory grew once it had settled, in kB a minute (least squares)."""
        settled = self.samples[int(len(self.samples) * SETTLED) :]
        count = len(settled)
        if count < 2:
            return 0.0
        middle = sum(when for when, _ in settled) / count
        mean = sum(memory for _, memory in settled) / count
        spread = sum((when - middle) ** 2 for when, _ in settled)
        return sum((when - middle) * (memory - mean) for when, memory in settled) / spread


class Lives:
    """All processes of one daemon, one after the other."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._lives: list[Life] = []
        self.at_start: Counter[str] = Counter()
        self.at_end: Counter[str] = Counter()

    def begin(self, daemon: Daemon) -> None:
        """Note what it holds at rest, before there is traffic."""
        self.at_start = descriptors(daemon.pid)

    def sample(self, daemon: Daemon) -> None:
        """Look at the process that it is now."""
        if not self._lives or self._lives[-1].pid != daemon.pid:
            self._lives.append(Life(daemon.pid))
        self._lives[-1].sample()

    def end(self, daemon: Daemon) -> None:
        """Raises AssertionError if it holds more, at rest, than at the start."""
        self.at_end = descriptors(daemon.pid)
        more = self.at_end - self.at_start
        assert not more, f"the {self.name} holds descriptors that it didn't at start: {dict(more)}"

    @property
    def memory(self) -> float:
        """Of the last process, in MB."""
        return self._lives[-1].samples[-1][1] / 1000

    def __str__(self) -> str:
        longest = max(self._lives, key=lambda life: life.minutes)
        fitted = f"{longest.slope:+.1f} kB/min" if longest.minutes >= LEAST else "too short to fit"
        return (
            f"{self.name}: memory of its own {fitted} over {longest.minutes:.1f} min, "
            f"{longest.samples[-1][1] / 1000:.1f} MB at its end; "
            f"descriptors {self.at_start.total()} at start, {self.at_end.total()} at end"
        )
