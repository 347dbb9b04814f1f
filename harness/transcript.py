"""What a console or a daemon has said so far, and waiting for what it says next.

A `Transcript` is fed by whoever reads the source (`Pump` does it for a file descriptor) and can be
waited on: for a line that means success, with lines that mean failure beside it and a deadline.
"""

from __future__ import annotations

import os
import re
import threading
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

MAX_LINES = 20_000
"""Older lines are forgotten; the log file has them."""


class WaitError(Exception):
    """The awaited line did not come: the message says why and shows the last lines."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line, and when it was complete (`time.monotonic()`)."""

    number: int
    text: str
    at: float


class Transcript:
    """Lines of text from one source; any thread may feed it, any thread may wait."""

    def __init__(self, name: str, failing: Iterable[str] = ()) -> None:
        self.name = name
        self._failing = tuple(failing)
        self._lines: deque[Line] = deque(maxlen=MAX_LINES)
        self._partial = b""
        self._count = 0
        self._ended = ""
        self._changed = threading.Condition()

    def feed(self, data: bytes) -> None:
        """Take bytes as they come; a line counts once its newline is here."""
        with self._changed:
            *whole, self._partial = (self._partial + data).split(b"\n")
            now = time.monotonic()
            for raw in whole:
                text = raw.decode(errors="replace").rstrip("\r")
                self._lines.append(Line(self._count, text, now))
                self._count += 1
            self._changed.notify_all()

    def end(self, reason: str) -> None:
        """Nothing more will come: whoever waits learns it at once."""
        with self._changed:
            self._ended = self._ended or reason
        if self._partial:
            self.feed(b"\n")
        with self._changed:
            self._changed.notify_all()

    def go_on(self) -> None:
        """After `end`: there is another source of more."""
        with self._changed:
            self._ended = ""

    def mark(self) -> int:
        """The number of the next line; pass it as `after` to look only at what is yet to come."""
        with self._changed:
            return self._count

    def wait(
        self, pattern: str, *, timeout: float, after: int = 0, failing: Iterable[str] = ()
    ) -> Line:
        """The first line from number `after` on that `pattern` matches.

        Raises WaitError when a failing pattern (given here or to the constructor) matches an
        earlier line, when the source ended, or after `timeout` seconds.
        """
        good = re.compile(pattern)
        bad = [re.compile(text) for text in (*self._failing, *failing)]
        deadline = time.monotonic() + timeout
        seen = after
        with self._changed:
            while True:
                for line in [line for line in self._lines if line.number >= seen]:
                    if good.search(line.text):
                        return line
                    if any(expression.search(line.text) for expression in bad):
                        raise WaitError(self._explain(pattern, f"it said {line.text!r}"))
                seen = self._count
                if self._ended:
                    raise WaitError(self._explain(pattern, f"it has ended ({self._ended})"))
                left = deadline - time.monotonic()
                if left <= 0:
                    raise WaitError(self._explain(pattern, f"not within {timeout:g} s"))
                self._changed.wait(left)

    def find(self, pattern: str, *, after: int = 0) -> list[Line]:
        """All lines so far, from number `after` on, that `pattern` matches."""
        with self._changed:
            lines = list(self._lines)
        return [line for line in lines if line.number >= after and re.search(pattern, line.text)]

    def text(self) -> str:
        """Everything that is still remembered."""
        with self._changed:
            return "".join(f"{line.text}\n" for line in self._lines)

    def _explain(self, pattern: str, why: str) -> str:
        last = "\n".join(f"    {line.text}" for line in list(self._lines)[-15:])
        return f"waited for {pattern!r} from {self.name}: {why}; its last lines:\n{last}"


class Pump:
    """A thread that moves what a file descriptor says into a transcript and a log file.

    It owns the descriptor and ends with it (EOF); `close` waits for that.
    """

    def __init__(self, descriptor: int, transcript: Transcript, log: Path) -> None:
        self._descriptor = descriptor
        self._transcript = transcript
        self._log = log
        self._thread = threading.Thread(
            target=self._run, name=f"pump {transcript.name}", daemon=True
        )
        self._thread.start()

    def _run(self) -> None:
        with self._log.open("ab", buffering=0) as log:
            while data := self._read():
                log.write(data)
                self._transcript.feed(data)
        os.close(self._descriptor)
        self._transcript.end("end of file")

    def _read(self) -> bytes:
        try:
            return os.read(self._descriptor, 65536)
        except OSError:  # the other end died: ECONNRESET of a socket
            return b""

    def close(self, timeout: float = 5) -> None:
        """Wait until the source has ended: end it first."""
        self._thread.join(timeout)
        if self._thread.is_alive():
            raise TimeoutError(f"{self._transcript.name} is still open after {timeout:g} s")
