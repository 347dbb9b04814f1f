"""A process that we started: what it logs is kept and can be waited for, and it ends with us."""

import re
import socket
import subprocess
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Self

PATIENCE = 20.0
"""Seconds within which every program here is ready, or stopped."""

TIED = ("setpriv", "--pdeathsig", "KILL", "--")
"""In front of a command: the kernel kills it when we die, however we die."""


class ChildError(Exception):
    """A process ended or stayed silent instead of saying what was waited for."""


class Child:
    """A running command; `log` gets its standard error. `pipe` is its standard input and output."""

    def __init__(
        self, command: Sequence[str], log: Path, *, pipe: socket.socket | None = None
    ) -> None:
        self.command = list(command)
        self.log = log
        self._lines: list[str] = []
        self._ended = False
        self._news = threading.Condition()
        standard = subprocess.DEVNULL if pipe is None else pipe.fileno()
        self._process = subprocess.Popen(
            [*TIED, *command],
            stdin=standard,
            stdout=standard,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
        )
        assert self._process.stderr is not None
        self._reader = threading.Thread(
            target=self._read, args=(self._process.stderr,), daemon=True
        )
        self._reader.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End it: politely, so that it can write what it writes at its end, then for certain."""
        self._process.terminate()
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join()

    def wait_for(self, pattern: str) -> re.Match[str]:
        """The first match in a line that it logs; ChildError if it ends or PATIENCE does."""
        deadline = time.monotonic() + PATIENCE
        seen = 0
        with self._news:
            while True:
                for line in self._lines[seen:]:
                    if found := re.search(pattern, line):
                        return found
                seen = len(self._lines)
                left = deadline - time.monotonic()
                if self._ended or left <= 0:
                    raise ChildError(self._complaint(f"did not say /{pattern}/"))
                self._news.wait(left)

    def check(self) -> None:
        """ChildError if it has ended."""
        if self._ended:
            raise ChildError(self._complaint("has ended"))

    def _complaint(self, what: str) -> str:
        said = "\n    ".join(self._lines[-10:]) or "(nothing)"
        return f"{' '.join(self.command)}\n  {what}; it said:\n    {said}"

    def _read(self, pipe: IO[str]) -> None:
        with pipe, self.log.open("a") as log:
            for line in pipe:
                log.write(line)
                log.flush()
                with self._news:
                    self._lines.append(line.rstrip())
                    self._news.notify_all()
        with self._news:
            self._ended = True
            self._news.notify_all()
