"""Running somebody else's program to its end, with a deadline and its output kept."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.integration.support.waiting import DEADLINE

TAIL = 3000


@dataclass(frozen=True)
class Finished:
    """A program that has ended, and what it said."""

    command: Sequence[str]
    status: int
    output: bytes
    errors: str

    @property
    def text(self) -> str:
        """The standard output."""
        return self.output.decode(errors="replace")

    def __str__(self) -> str:
        """For a person who wants to know what went wrong."""
        shown = " ".join(self.command)
        return f"{shown}\nended with {self.status}\n{self.text[-TAIL:]}\n{self.errors[-TAIL:]}"


class Programs:
    """Runs programs as a user who has no settings of his own, and no proxy but the one named.

    What each says is kept in `directory/NAME.log`.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.home = directory / "home"
        self.home.mkdir()

    @property
    def environment(self) -> dict[str, str]:
        """Ours without what could lead a program past the test's proxy or to a user's settings."""
        kept = {
            name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")
        }
        return {**kept, "HOME": str(self.home), "LC_ALL": "C.UTF-8"}

    def run(
        self,
        *command: str | Path,
        environment: Mapping[str, str] | None = None,
        stdin: bytes = b"",
        folder: Path | None = None,
        deadline: float = 2 * DEADLINE,
    ) -> Finished:
        """Run it to its end, whatever its status; skips the test if it isn't installed here.

        It gets `stdin` through a pipe. AssertionError if it has not ended after `deadline`
        seconds; then it is killed with all that it started.
        """
        words = [str(word) for word in command]
        needs(words[0])
        with subprocess.Popen(
            words,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**self.environment, **(environment or {})},
            cwd=folder or self.directory,
            start_new_session=True,
        ) as process:
            try:
                output, errors = process.communicate(stdin, timeout=deadline)
            except BaseException as error:
                os.killpg(process.pid, signal.SIGKILL)
                output, errors = process.communicate()
                if not isinstance(error, subprocess.TimeoutExpired):
                    raise
                errors += f"\nkilled: it had not ended after {deadline} s".encode()
        finished = Finished(words, process.returncode, output, errors.decode(errors="replace"))
        with (self.directory / f"{Path(words[0]).name}.log").open("a") as log:
            print(finished, file=log)
        return finished

    def check(
        self,
        *command: str | Path,
        environment: Mapping[str, str] | None = None,
        stdin: bytes = b"",
        folder: Path | None = None,
        deadline: float = 2 * DEADLINE,
    ) -> Finished:
        """Like `run`, and AssertionError if its status isn't 0."""
        finished = self.run(
            *command, environment=environment, stdin=stdin, folder=folder, deadline=deadline
        )
        assert finished.status == 0, str(finished)
        return finished


def needs(program: str) -> None:
    """Skip the test if `program` is not installed."""
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed here")
