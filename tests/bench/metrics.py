"""The figures by name: their unit, and what vsocks is to reach beside ssh."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Metric:
    """One line of the table."""

    name: str
    unit: str
    at_least: float | None = None
    """The aim: vsocks/ssh is not below this…"""
    at_most: float | None = None
    """…or not above this."""

    @property
    def aim(self) -> str:
        if self.at_least is not None:
            return f"≥ {self.at_least:g}"
        if self.at_most is not None:
            return f"≤ {self.at_most:g}"
        return ""

    def reached(self, ratio: float) -> bool:
        """Whether vsocks/ssh is as good as aimed at; true if nothing is."""
        return (self.at_least is None or ratio >= self.at_least) and (
            self.at_most is None or ratio <= self.at_most
        )


METRICS = (
    Metric("down 1", "MB/s", at_least=2),
    Metric("up 1", "MB/s", at_least=2),
    Metric("down 16", "MB/s", at_least=2),
    Metric("connections 1", "/s", at_least=1),
    Metric("connections 16", "/s", at_least=1),
    Metric("echo idle p50", "ms"),
    Metric("echo idle p99", "ms"),
    Metric("echo + bulk p50", "ms", at_most=1),
    Metric("echo + bulk p99", "ms", at_most=1),
    Metric("bulk beside echo", "MB/s"),
    Metric("connect + bulk p50", "ms"),
    Metric("connect + bulk p99", "ms"),
    Metric("CPU down 1", "s/GB"),
    Metric("CPU up 1", "s/GB"),
    Metric("CPU down 16", "s/GB"),
    Metric("CPU connections 1", "s/1000"),
    Metric("CPU connections 16", "s/1000"),
    Metric("memory", "MB"),
)
