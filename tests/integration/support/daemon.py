"""A vsocks daemon as a process of its own, with its log as something to wait for."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from signal import SIGKILL, SIGTERM, Signals
from types import TracebackType
from typing import Self

from tests.integration.support.waiting import DEADLINE

FAILURE = re.compile(r"Traceback|Unclosed|was never (awaited|retrieved)|ResourceWarning")
"""No daemon may ever log this, whatever the test is about."""

TAIL = 30

REST_OF_A_FAILURE = 1.0
"""Seconds in which what follows a failure's first line is still worth waiting for."""


class DaemonError(AssertionError):
    """A daemon did something else than what was waited for; the message carries its log."""


class Daemon:
    """`python -m vsocks ARGUMENTS` from construction to `close`; stderr goes to the file `log`.

    `prefix` is a command to run it under, `interpreter` a Python other than ours, `program` what
    is run instead of any Python; `environment` is added to ours. `ends_on` is what asks it to end;
    `pass_fds` stay open in it.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        log: Path,
        *,
        prefix: Sequence[str] = (),
        interpreter: Sequence[str] = (sys.executable,),
        program: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        directory: Path | None = None,
        ends_on: Signals = SIGTERM,
        pass_fds: Sequence[int] = (),
    ) -> None:
        self.command = [*prefix, *(program or (*interpreter, "-m", "vsocks")), *arguments]
        self.ends_on = ends_on
        self.log = log
        self._lines: list[str] = []
        self._ended = False
        self._news = threading.Condition()
        self.process = subprocess.Popen(
            self.command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env={**os.environ, **(environment or {})},
            cwd=directory,
            pass_fds=pass_fds,
            text=True,
            errors="replace",
        )
        self._reader = threading.Thread(target=self._read_log, daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        """The process id."""
        return self.process.pid

    @property
    def lines(self) -> list[str]:
        """The log so far."""
        with self._news:
            return list(self._lines)

    def wait_for_log(
        self,
        pattern: str,
        *,
        since: int = 0,
        deadline: float = DEADLINE,
        failure: str | None = None,
    ) -> re.Match[str]:
        """The first match of `pattern` in the log, from line number `since` on.

        Raises DaemonError when the process ends first, when a line matches FAILURE or `failure`,
        or after `deadline` seconds.
        """
        wanted = re.compile(pattern)
        unwanted = re.compile(failure) if failure else None
        end = time.monotonic() + deadline
        at = since
        with self._news:
            while True:
                for line in self._lines[at:]:
                    if found := wanted.search(line):
                        return found
                    if FAILURE.search(line) or (unwanted and unwanted.search(line)):
                        self._news.wait_for(lambda: self._ended, REST_OF_A_FAILURE)
                        raise self._error(f"logged {line!r} before /{pattern}/")
                at = max(at, len(self._lines))
                if self._ended:
                    raise self._error(f"ended before it logged /{pattern}/")
                left = end - time.monotonic()
                if left <= 0:
                    raise self._error(f"did not log /{pattern}/ within {deadline} s")
                self._news.wait(left)

    def signal(self, number: Signals) -> None:
        """Send a signal to this process."""
        self.process.send_signal(number)

    def wait(self, *, deadline: float = DEADLINE) -> int:
        """The exit status, with the log complete."""
        try:
            status = self.process.wait(deadline)
        except subprocess.TimeoutExpired:
            raise self._error(f"did not end within {deadline} s") from None
        self._reader.join(deadline)
        return status

    def stop(self, number: Signals | None = None) -> None:
        """Ask the daemon to end, and hold it to a clean end: status 0, no traceback."""
        number = number or self.ends_on
        self.signal(number)
        status = self.wait()
        if status != 0:
            raise self._error(f"ended with status {status} on {number.name}")
        self.check_log()

    def kill(self) -> None:
        """SIGKILL, and no more of it is running on return."""
        self.signal(SIGKILL)
        self.wait()

    def close(self) -> None:
        """End it whatever it takes; harmless when it has ended already."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._reader.join(DEADLINE)
        assert self.process.stderr is not None
        # Wine's desktop, which a program of its may have started, holds on to the pipe for ever,
        # and to close a file that is being read is to wait for that. It is left to the reader then.
        if not self._reader.is_alive():
            self.process.stderr.close()

    def check_log(self) -> None:
        """Raise DaemonError if the log holds what no daemon may log."""
        for line in self.lines:
            if FAILURE.search(line):
                raise self._error(f"logged {line!r}")

    def tail(self) -> str:
        """The last lines of the log, and where the rest is."""
        lines = self.lines
        shown = "\n".join(f"    {line}" for line in lines[-TAIL:])
        return f"last lines of {self.log} ({len(lines)} in all):\n{shown}"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Hold a daemon that still runs to a clean end, unless the test has failed already."""
        try:
            if kind is None and self.process.poll() is None:
                self.stop()
            elif error is not None:
                error.add_note(self.tail())
        finally:
            self.close()

    def _error(self, what: str) -> DaemonError:
        state = self.process.poll()
        running = "running" if state is None else f"ended with {state}"
        return DaemonError(f"{' '.join(self.command)} ({running}) {what}; {self.tail()}")

    def _read_log(self) -> None:
        assert self.process.stderr is not None
        with self.log.open("a", encoding="utf-8") as copy:
            for line in self.process.stderr:
                copy.write(line)
                copy.flush()
                with self._news:
                    self._lines.append(line.rstrip("\n"))
                    self._news.notify_all()
        with self._news:
            self._ended = True
            self._news.notify_all()
