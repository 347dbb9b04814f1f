"""What happens, line by line, in a file: each frame of the channel and each event of a socket.

    time (UTC)  in|out|socket  stream  what  bytes

For those who look for a fault. Nobody's data is in it, but names of targets are.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TextIO

from vsocks.aio.current import reactor
from vsocks.errors import UsageError, describe
from vsocks.protocol.decode import Decoder
from vsocks.protocol.endpoint import Wire

if TYPE_CHECKING:
    from pathlib import Path


class Trace:
    """Writes at the end of each turn of the event loop what happened in it."""

    def __init__(self, file: TextIO) -> None:
        """``file`` is the trace's from now on."""
        self._file = file
        self._is_dirty = False
        self.begin(Wire.AUTO)

    @classmethod
    def open(cls, path: Path) -> Trace:
        """Append to a file, which others can't read. Raises UsageError if it can't be had."""
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        except OSError as error:
            raise UsageError(f"can't write a trace to {path}: {describe(error)}") from None
        return cls(os.fdopen(descriptor, "a", encoding="utf-8"))

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
        self._file.close()

    def _frames(self, direction: str, decoder: Decoder, data: memoryview) -> None:
        for line in decoder.feed(data):
            self._line(direction, line.stream, line.text, line.size)

    def _line(self, direction: str, stream: str, what: str, size: int) -> None:
        if self._file.closed:
            return
        now = datetime.now(UTC).isoformat(timespec="microseconds")
        self._file.write(f"{now} {direction:<6} {stream:<7} {what} {size}\n")
        if not self._is_dirty:
            self._is_dirty = True
            reactor().at_end_of_turn(self._flush)

    def _flush(self) -> None:
        self._is_dirty = False
        if not self._file.closed:
            self._file.flush()
