"""One pytest process's machines: opened, looked into when a test fails, and sometimes kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import pytest

from vsocks.errors import UnavailableError

from ..guest import Guest
from ..image import ImageError
from ..lab import Lab
from ..programs import MissingProgramError
from ..qemu import Qemu
from ..stopwatch import timed
from ..vm import VM, NoAnswerError
from .boot_gate import BootGate
from .evidence import collect, folder_of
from .pair import VsocksPair
from .way_in import directions, shell_in, tell_of

Pair = TypeVar("Pair", bound=VsocksPair)


@dataclass
class _Open:
    """A machine that runs, and the fixture that it is of."""

    pair: VsocksPair
    fixture: str
    failed: bool = False


class Desk:
    """Gives out machines. `keep` lets those of failed tests outlive pytest."""

    def __init__(self, config: pytest.Config, artifacts: Path, *, keep: bool) -> None:
        self._config = config
        self._artifacts = artifacts
        self._keep = keep
        self._gate = BootGate()
        self._open: list[_Open] = []
        self._kept: list[str] = []
        self.kinds: dict[str, str] = {}
        """The kind of guest that each fixture gives at present."""
        Qemu.outlives_us = keep

    def prepare(self, lab: Lab, fixture: str) -> None:
        """Make what machines start from, and show it as it goes: it may take minutes."""
        with self._gate, self.on_terminal(), timed("image"), _told_to_users():
            print(f"\n{lab.kind}: {lab.prepare()}")
        self.kinds[fixture] = lab.kind

    @contextmanager
    def running(self, lab: Lab, fixture: str, make: Callable[[VM, Guest], Pair]) -> Iterator[Pair]:
        """A machine of the fixture's, and of it what `make` makes; no daemon runs yet."""
        self.kinds[fixture] = lab.kind
        with ExitStack() as stack:
            with self._gate, _told_to_users():
                vm, guest = stack.enter_context(lab.running())
                pair = make(vm, guest)
                if not vm.borrowed:
                    tell_of(pair)
            stack.callback(pair.close)
            entry = _Open(pair, fixture)
            self._open.append(entry)
            try:
                yield pair
            finally:
                self._open.remove(entry)
                if entry.failed and self._keep:
                    self._kept.append(directions(pair))
                    vm.keep()

    def test_failed(self, item: pytest.Item) -> list[str]:
        """Save what the machines of a test say; returns lines that tell where."""
        lines, used = [], self._of(item)
        for entry in used:
            entry.failed = True
            folder = folder_of(self._artifacts, item.nodeid)
            folder = folder / entry.fixture if len(used) > 1 else folder
            with timed("evidence"):
                collect(entry.pair, folder)
            lines.append(f"console, screen and logs: {folder}")
        return lines

    def take_kept(self) -> list[str]:
        """How to get into the machines that were kept since the last call."""
        taken, self._kept = self._kept, []
        return taken

    def show(self, item: pytest.Item, why: str) -> None:
        """A shell in each machine of a test that has failed."""
        capture = self._config.pluginmanager.getplugin("capturemanager")
        for entry in self._of(item):
            capture.suspend(in_=True)
            try:
                print(f"\n{why}")
                shell_in(entry.pair)
            finally:
                capture.resume()

    @contextmanager
    def on_terminal(self) -> Iterator[None]:
        """What is printed in the block is seen at once."""
        capture = self._config.pluginmanager.getplugin("capturemanager")
        with capture.global_and_fixture_disabled():
            yield

    def _of(self, item: pytest.Item) -> list[_Open]:
        names = getattr(item, "fixturenames", ())
        return [entry for entry in self._open if entry.fixture in names]


@contextmanager
def _told_to_users() -> Iterator[None]:
    """These errors say what to do: where they come from is of no interest."""
    problem = ""
    try:
        yield
    except (ImageError, MissingProgramError, NoAnswerError, UnavailableError) as error:
        problem = str(error)
    if problem:
        pytest.fail(problem, pytrace=False)
