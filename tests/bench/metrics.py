"""The figures of a table: their names and units, and what vsocks is to reach beside another."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Ratio:
    """Which peer is held against which."""

    ours: str
    theirs: str

    def __str__(self) -> str:
        return f"{self.ours}/{self.theirs}"


@dataclass(frozen=True, slots=True)
class Metric:
    """One line of the table."""

    name: str
    unit: str
    at_least: float | None = None
    """The aim: the first ratio of the table is not below this…"""
    at_most: float | None = None
    """…or not above this."""
    cpu_of: str = ""
    """The figure that cost so much of the daemons' processor time, if that is what this is."""

    @property
    def aim(self) -> str:
        if self.at_least is not None:
            return f"≥ {self.at_least:g}"
        if self.at_most is not None:
            return f"≤ {self.at_most:g}"
        return ""

    def verdict(self, ratio: float) -> str:
        """Whether that is reached, in a word; empty if there is no aim."""
        if not self.aim:
            return ""
        low = self.at_least is not None and ratio < self.at_least
        high = self.at_most is not None and ratio > self.at_most
        return "NO" if low or high else "yes"
