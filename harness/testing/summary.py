"""The table at the end of a run: each test in a machine, and where the time went."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest

FIGURE = "figure"
"""The property of a test that goes into the table's last column."""
OF_MACHINE = "of_machine"
"""The part of a report that tells of machines; it comes over from other processes, too."""


class Row(NamedTuple):
    """One test in a machine."""

    test: str
    guest: str
    result: str
    seconds: float
    notes: str


def table(rows: Sequence[Row]) -> Iterator[str]:
    """A line a test, those of one kind of guest together."""
    kinds = list(dict.fromkeys(row.guest for row in rows))
    test = max(len(row.test) for row in rows)
    guest = max(len(kind) for kind in kinds)
    yield f"{'test':{test}}  {'guest':{guest}}  result   time     figures"
    for row in sorted(rows, key=lambda row: kinds.index(row.guest)):
        yield (
            f"{row.test:{test}}  {row.guest:{guest}}  {row.result:7}  {row.seconds:5.1f} s"
            f"  {row.notes}"
        ).rstrip()


def where_time_went(spent: Mapping[str, float], total: float) -> str:
    """One line: what took how long, the longest first; `total` is all there was, in seconds."""
    known = sorted(spent.items(), key=lambda it: -it[1])
    rest = total - sum(spent.values())
    parts = [f"{what} {seconds:.1f}" for what, seconds in known if seconds >= 0.05]
    if rest >= 0.05:
        parts.append(f"else {rest:.1f}")
    return f"{total:.1f} s: {', '.join(parts)}"


class Summary:
    """Listens to all reports and prints at the end what they told of machines."""

    def __init__(self) -> None:
        self._rows: list[Row] = []
        self._spent: dict[str, float] = {}
        self._kept: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Of each phase of each test."""
        about: dict[str, Any] | None = getattr(report, OF_MACHINE, None)
        if about is None:
            return
        self._kept += about["kept"]
        for what, seconds in about["spent"].items():
            self._spent[what] = self._spent.get(what, 0.0) + seconds
        if report.when == "call" or not report.passed:
            self._rows.append(_row(report, about["kind"]))

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """The table, where the time went, and the machines that are still there."""
        if not self._rows:
            return
        terminalreporter.section("in the VM")
        lines = [*table(self._rows), "", where_time_went(self._spent, _seconds_since_start())]
        for line in (*lines, *self._kept):
            terminalreporter.write_line(line)


def _row(report: pytest.TestReport, kind: str) -> Row:
    name = report.nodeid.partition("::")[2].replace(f"[{kind}]", "").replace(f"{kind}-", "")
    notes = "; ".join(str(value) for key, value in report.user_properties if key == FIGURE)
    return Row(name, kind, report.outcome, report.duration, notes)


def _seconds_since_start() -> float:
    """Since this process began: Python's own start and the collection of tests count, too."""
    ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
    return time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
