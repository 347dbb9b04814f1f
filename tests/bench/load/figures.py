"""What comes out of a workload, and how much it is to do."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

Figures = dict[str, float]


@dataclass(frozen=True, slots=True)
class Scale:
    """How much of everything; more is steadier."""

    size: int
    """Bytes of a bulk transfer."""
    seconds: float
    """Of everything that is counted or timed."""


R = TypeVar("R")
Workload = Callable[[R, Scale], Figures]
"""Runs on routes that are up."""


def percentiles(name: str, seconds: list[float]) -> Figures:
    """p50 and p99 in milliseconds; no p99 of less than a hundred."""
    ranked = sorted(seconds)
    figures = {f"{name} p50": ranked[len(ranked) // 2] * 1e3}
    if len(ranked) >= 100:
        figures[f"{name} p99"] = ranked[len(ranked) * 99 // 100] * 1e3
    return figures
