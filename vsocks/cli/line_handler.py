"""A log whose file may be full, or forbidden, for a while: daemon and log go on."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING

from vsocks.errors import describe
from vsocks.line_writer import LossyLines

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TextIO

log = logging.getLogger(__name__)


class LineHandler(logging.Handler):
    """Writes a record at once. What can't be written is counted, and told as soon as it can be.

    Other handlers of the log, if there are any, are told when it begins.
    """

    def __init__(self, put: Callable[[memoryview], int | None], encoding: str = "utf-8") -> None:
        """``put`` writes what it can of some bytes, and says how many. It may raise OSError."""
        super().__init__()
        self._encoding = encoding
        self._lines = LossyLines(put, self._in_their_place)
        self._tells_others = False

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record. No fault of it, or of its file, gets to who logs: logging tells it."""
        try:
            self._emit(record)
        except Exception:
            self.handleError(record)

    def _emit(self, record: logging.LogRecord) -> None:
        if self._tells_others:
            return
        was_well = self._lines.problem is None
        self._lines.append(self._encoded(record))
        if was_well and self._lines.problem is not None:
            self._tells_others = True
            try:
                log.error("a log can't be written: %s", describe(self._lines.problem))
            finally:
                self._tells_others = False

    def _in_their_place(self, lost: int, problem: OSError) -> bytes:
        words = "lines of this log that could not be written: %d; the last one: %s"
        arguments = (lost, describe(problem))
        return self._encoded(
            logging.LogRecord(__name__, logging.WARNING, "", 0, words, arguments, None)
        )

    def _encoded(self, record: logging.LogRecord) -> bytes:
        line = self.format(record) + os.linesep
        return line.encode(self._encoding, errors="backslashreplace")


def to_stream(stream: TextIO | None) -> LineHandler:
    """A log to stderr, for example, past its buffer: that would keep, and repeat, what failed."""
    if stream is None:  # the program was started without one
        return LineHandler(len)
    file = stream.buffer
    put: Callable[[memoryview], int | None] = getattr(file, "raw", file).write
    return LineHandler(put, stream.encoding)
