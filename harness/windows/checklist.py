"""A list of checks that is ticked off as it goes, on the terminal and in a file to pass on."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, TypeVar

from vsocks import __version__

from ..places import ROOT
from ..progress import say

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Check(Generic[T]):
    """Something that has not been run before: a title, and how to run it."""

    title: str
    run: Callable[[T], str]
    """Returns what was seen, in a line; raises if it is not as it should be."""


@dataclass
class Checklist:
    """What was checked so far."""

    report: Path
    facts: list[str] = field(default_factory=list)
    """Lines about what was checked, for the report."""
    failed: int = 0
    _lines: list[str] = field(default_factory=list)

    def announce(self, checks: list[Check[T]]) -> None:
        """Show what is to come."""
        for check in checks:
            self._say(f"[ ] {check.title}")

    def run(self, check: Check[T], subject: T) -> bool:
        """Run one check and tick it off, or say why not; the next ones go on."""
        began = time.monotonic()
        say(f"--- {check.title}")
        try:
            seen = check.run(subject)
        except Exception as error:
            self.fail(check.title, error)
            return False
        self._say(f"[x] {check.title} ({time.monotonic() - began:.1f} s): {seen}")
        return True

    def fail(self, title: str, error: Exception) -> None:
        """Note what was not as it should be."""
        self.failed += 1
        self._say(f"[!] {title}: {error}")
        self._write("".join(traceback.format_exception(error)))

    def conclude(self) -> int:
        """The summary; 0 if all was well."""
        say("")
        for line in self._lines:
            if line.startswith(("[x]", "[!]")):
                say(line)
        say(f"{self.failed} not as expected; the report with all details: {self.report}")
        self._make_presentable()
        return 1 if self.failed else 0

    def _make_presentable(self) -> None:
        """Have the report begin with what came out, as Markdown, with no path of this machine."""
        details = self.report.read_text() if self.report.exists() else ""
        done = [line for line in self._lines if line.startswith(("[x]", "[!]"))]
        text = "\n".join(
            [
                f"# vsocks {__version__}: make windows-check, {self.failed} not as expected",
                "",
                *self.facts,
                "",
                *(f"- {line}" for line in done),
                "",
                "<details><summary>Details</summary>",
                "",
                "~~~",
                details.rstrip(),
                "~~~",
                "</details>",
                "",
            ]
        )
        for folder, name in ((ROOT, "."), (Path.home(), "~")):
            text = text.replace(str(folder), name)
        self.report.write_text(text)

    def _say(self, line: str) -> None:
        self._lines.append(line)
        say(line)
        self._write(line + "\n")

    def _write(self, text: str) -> None:
        with self.report.open("a") as report:
            report.write(text)
