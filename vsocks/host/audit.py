"""The audit of one machine: a line for all that its guest does, and that is done to it.

It goes to a file, or to systemd's journal.

A line is written by one call, at once, in the event loop: the system takes a few hundred bytes into
its memory within microseconds, and what has been written is there if this process ends. A file on
a network that hangs would hold up everything, so it belongs on a disk of this machine.
"""

from __future__ import annotations

import asyncio
import os
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from vsocks.aio.current import reactor
from vsocks.audit.folding import Folding
from vsocks.audit.record import Event, Record, line_of, lost_line
from vsocks.errors import UsageError, describe
from vsocks.host.journal import Journal, is_journal
from vsocks.line_writer import WholeLines
from vsocks.token_bucket import TokenBucket

if TYPE_CHECKING:
    from pathlib import Path

    from vsocks.audit.record import Kind
    from vsocks.mux.machine_log import Log

#: Who may read it: the owner, and the group.
_MODE: Final = 0o640
#: Times a second at which the log says that the audit can't be written.
_COMPLAINTS: Final = 0.1


@dataclass(frozen=True, slots=True)
class AuditConfig:
    """Where it is written, and whether new connections are refused while that fails."""

    file: Path
    stops: bool = False


def audit_at(path: Path) -> AuditFile | Journal:
    """The audit at a path, open. Raises OSError."""
    return Journal(path) if is_journal(path) else AuditFile(path)


class AuditFile:
    """A file of lines to which others may append, too."""

    def __init__(self, path: Path) -> None:
        """Raises OSError."""
        self._path = path
        self._use(self._opened())

    def write(self, lines: bytes) -> None:
        """Append whole lines. Raises OSError if not all of it could be."""
        self._lines.write(lines)

    def reopen(self) -> None:
        """Go on in a new file if it was renamed. Raises OSError; the old one is kept then."""
        old = self._fd
        self._use(self._opened())
        os.close(old)

    def close(self) -> None:
        """To be called once."""
        os.close(self._fd)

    def _use(self, fd: int) -> None:
        self._fd = fd
        self._lines = WholeLines(partial(os.write, fd))

    def _opened(self) -> int:
        # Without waiting for somebody to read, if it is a pipe.
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
        if sys.platform != "win32":
            flags |= os.O_CLOEXEC | os.O_NONBLOCK
        return os.open(self._path, flags, _MODE)


class Audit:
    """Takes what happens to one machine: open(), then close() when all else has ended."""

    def __init__(self, config: AuditConfig, machine: str, log: Log) -> None:
        """``machine`` is what the lines call it, and ``log`` is its log."""
        self.machine = machine
        self._config = config
        self._log = log
        self._file: AuditFile | Journal | None = None
        self._folding = Folding()
        self._loop = asyncio.get_running_loop()
        #: Records that could not be written, since one could, and why.
        self._lost = 0
        self._problem = ""
        self._complaints = TokenBucket(_COMPLAINTS, burst=1)

    def open(self) -> None:
        """Open the file. Raises UsageError if that fails."""
        self._file = _opened(self._config.file)

    def reconfigure(self, config: AuditConfig) -> None:
        """Do as ``config`` says. Raises UsageError, and goes on, if its file can't be had."""
        if config.file != self._config.file:
            new = _opened(config.file)
            for record in self._folding.rest():
                self._write(record)
            old, self._file = self._file, new
            if old is not None:
                old.close()
        self._config = config

    def reopen(self) -> None:
        """Go on in a new file: the old one may have been renamed."""
        path = self._config.file
        try:
            if self._file is not None:
                self._file.reopen()
        except OSError as error:
            self._log.error("the audit %s can't be opened anew: %s", path, describe(error))
        else:
            self._log.info("the audit %s has been opened anew", path)

    def close(self) -> None:
        """Write what has been counted, and close the file."""
        reactor().deadlines.clear(self)
        for record in self._folding.rest():
            self._write(record)
        self._can_write()
        file, self._file = self._file, None
        if file is not None:
            file.close()
        if self._lost:
            self._log.error("the audit lacks %d records at its end: %s", self._lost, self._problem)

    def tell(self, kind: Kind, event: Event, **what: Any) -> None:
        """Something has happened; ``what`` are fields of Record."""
        now = self._loop.time()
        record = Record(_utc(), self.machine, kind, event, **what)
        for each in self._folding.add(record, now):
            self._write(each)
        self._wait_for_due(now)

    def tell_too_much(self, kind: Kind, why: str, **what: Any) -> None:
        """Something was refused whatever its target: a bound of this daemon's was reached."""
        self.tell(kind, Event.FAILED, allowed=False, rule=f"built-in: {why}", end="denied", **what)

    @property
    def refuses(self) -> bool:
        """Whether nothing new may begin, because it could not be written."""
        return self._config.stops and not self._can_write()

    def _wait_for_due(self, now: float) -> None:
        if (due_at := self._folding.due_at) is not None:
            reactor().deadlines.set(self, max(0.0, due_at - now), self._on_due)

    def _on_due(self) -> None:
        now = self._loop.time()
        for record in self._folding.due(now):
            self._write(record)
        self._wait_for_due(now)

    def _write(self, record: Record) -> None:
        if not self._can_write() or not self._has_written(line_of(record)):
            self._lost += record.count
            if self._complaints.take(now=self._loop.time()):
                self._log.error(
                    "the audit %s can't be written: %s; records lost so far: %d%s",
                    self._config.file,
                    self._problem,
                    self._lost,
                    "; nothing new is allowed until it can" if self._config.stops else "",
                )

    def _can_write(self) -> bool:
        """Whether it can be written, as far as known; tried if the last time it could not."""
        if not self._problem:
            return True
        lost = self._lost
        if not self._has_written(lost_line(_utc(), self.machine, lost)):
            return False
        self._lost = 0
        self._log.warning(
            "the audit %s is written again; records lost: %d", self._config.file, lost
        )
        return True

    def _has_written(self, line: bytes) -> bool:
        try:
            if self._file is not None:
                self._file.write(line)
        except OSError as error:
            self._problem = describe(error)
            return False
        self._problem = ""
        return self._file is not None


def _opened(path: Path) -> AuditFile | Journal:
    """The audit at a path, open. Raises UsageError."""
    try:
        return audit_at(path)
    except OSError as error:
        raise UsageError(f"the audit {path} can't be written: {describe(error)}") from None


def _utc() -> str:
    """Now, for people and programs."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")
