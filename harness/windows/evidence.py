"""What is kept of a machine that nobody sees: screenshots on the way, and all logs at the end."""

from __future__ import annotations

import shutil
from pathlib import Path

from ..progress import say
from ..transcript import Line
from ..vm import VM
from .milestones import Milestone


class Evidence:
    """A folder with what may explain a failure: console, screenshots, QMP log, QEMU's output."""

    def __init__(self, folder: Path) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        self.folder = folder

    def milestone(self, vm: VM, number: int, milestone: Milestone, line: Line) -> None:
        """Take a picture of a milestone that was reached."""
        say(f"   {line.text}")
        self._screenshot(vm, f"{number:02}-{milestone.name}")

    def failure(self, vm: VM, error: BaseException) -> None:
        """Keep everything, and say where it is."""
        self._screenshot(vm, "at-the-failure")
        (self.folder / "error.txt").write_text(f"{error!r}\n\n{error}\n")
        say(f"failed: console, screenshots, QMP log and QEMU's output are in {self.folder}")

    def logs(self, vm: VM, phase: str) -> None:
        """Copy the logs of a machine, which are gone with it."""
        for log in vm.folder.glob("*.log"):
            shutil.copy(log, self.folder / f"{phase}-{log.name}")

    def _screenshot(self, vm: VM, name: str) -> None:
        try:
            vm.screenshot(self.folder / f"{name}.png")
        except Exception as error:  # the machine may be gone; that is no reason to lose the rest
            (self.folder / f"{name}.txt").write_text(f"no screenshot: {error!r}\n")
