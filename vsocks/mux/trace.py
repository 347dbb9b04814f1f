"""What happens, line by line, in a file: each frame of the channel and each event of a socket.

    time (UTC)  in|out|socket  stream  what  bytes

For those who look for a fault. Nobody's data is in it, but names of targets are. While the file
can't be written nothing waits for it; a line `lost`, with how many, tells of it afterwards.
"""

from __future__ import annotations

import logging
import os
import time
from datetime import UTC, datetime
from io import FileIO
from typing import TYPE_CHECKING, Final

from vsocks.aio.current import reactor
from vsocks.errors import UsageError, describe
from vsocks.line_writer import LossyLines
from vsocks.protocol.decode import Decoder
from vsocks.protocol.endpoint import Wire
from vsocks.token_bucket import TokenBucket

if TYPE_CHECKING:
    from pathlib import Path

log = logging.getLogger(__name__)

#: Times a second at which the log says that the trace can't be written.
_COMPLAINTS: Final = 0.1


class Trace:
    """Writes at the end of each turn of the event loop what happened in it."""

    def __init__(self, path: Path, file: FileIO) -> None:
        """``file`` is the trace's from now on."""
        self._path = path
        self._file = file
        #: What happened in this turn.
        self._turn: list[str] = []
        self._lines = LossyLines(file.write, _in_their_place)
        self._complaints = TokenBucket(_COMPLAINTS, burst=1)
        self.begin(Wire.AUTO)

    @classmethod
    def open(cls, path: Path) -> Trace:
        """Append to a file, which others can't read. Raises UsageError if it can't be had."""
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        except OSError as error:
            raise UsageError(f"can't write a trace to {path}: {describe(error)}") from None
        return cls(path, FileIO(descriptor, "a"))

    def begin(self, wire: Wire) -> None:
        """The channel has been opened, or it is known which wire it has."""
        self._in, self._out = Decoder(wire, at_once=True), Decoder(wire, at_once=True)

    def read(self, data: memoryview) -> None:
        """That came out of the channel."""
        self._frames("in", self._in, data)

    def written(self, data: memoryview) -> None:
        """That went into it."""
        self._frames("out", self._out, data)

    def socket(self, stream: str, what: str, size: int = 0) -> None:
        """Something happened to the socket of a stream."""
        self._line("socket", stream, what, size)

    def close(self) -> None:
        """Write what there is, and no more."""
        self._flush()
        self._file.close()

    def _frames(self, direction: str, decoder: Decoder, data: memoryview) -> None:
        for line in decoder.feed(data):
            self._line(direction, line.stream, line.text, line.size)

    def _line(self, direction: str, stream: str, what: str, size: int) -> None:
        if self._file.closed:
            return
        if not self._turn:
            reactor().at_end_of_turn(self._flush)
        self._turn.append(_line(direction, stream, what, size))

    def _flush(self) -> None:
        turn, self._turn = self._turn, []
        if not turn or self._lines.append("".join(turn).encode(errors="backslashreplace")):
            return
        assert self._lines.problem is not None
        if self._complaints.take(now=time.monotonic()):
            log.error(
                "the trace %s can't be written: %s; lines lost so far: %d",
                self._path,
                describe(self._lines.problem),
                self._lines.lost,
            )


def _line(direction: str, stream: str, what: str, size: int) -> str:
    now = datetime.now(UTC).isoformat(timespec="microseconds")
    return f"{now} {direction:<6} {stream:<7} {what} {size}{os.linesep}"


def _in_their_place(lost: int, problem: OSError) -> bytes:
    return _line("lost", "", describe(problem), lost).encode()
