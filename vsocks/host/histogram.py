"""How long something takes, counted by bounds."""

from __future__ import annotations

from bisect import bisect_left
from itertools import accumulate
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


class Histogram:
    """Counts of values up to each of ``bounds``, and beyond; their sum."""

    def __init__(self, bounds: Sequence[float]) -> None:
        """``bounds`` are in ascending order."""
        self._bounds = tuple(bounds)
        self._counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def add(self, value: float) -> None:
        """Count one more."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self.sum += value

    @property
    def up_to(self) -> Sequence[tuple[float, int]]:
        """Each bound, with how many values were not beyond it; infinity is the last."""
        return list(zip((*self._bounds, float("inf")), accumulate(self._counts), strict=True))
