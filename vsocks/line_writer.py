"""Lines in a file that may be full, or forbidden, for a while: none is glued to another's rest."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_LINE_FEED: Final = 0x0A


class WholeLines:
    """Appends lines; one that was cut short is followed by a whole one."""

    def __init__(self, put: Callable[[memoryview], int | None]) -> None:
        """``put`` writes what it can, and says how many bytes; None if it would have to wait."""
        self._put = put
        self._is_torn = False
        #: How many lines of the last write() were not written whole.
        self.unwritten = 0

    def write(self, lines: bytes) -> None:
        """Append whole lines. Raises OSError if not all of them could be."""
        left = memoryview(b"\n" + lines if self._is_torn else lines)
        try:
            while left:
                size = self._put(left)
                if size is None:
                    raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
                if size:
                    self._is_torn = left[size - 1] != _LINE_FEED
                left = left[size:]
        finally:
            self.unwritten = min(bytes(left).count(b"\n"), lines.count(b"\n"))


class LossyLines(WholeLines):
    """The same for whoever goes on without: what is lost is counted, and told when it can be."""

    def __init__(
        self,
        put: Callable[[memoryview], int | None],
        in_their_place: Callable[[int, OSError], bytes],
    ) -> None:
        """``in_their_place`` makes the line that stands for so many, lost for that reason."""
        super().__init__(put)
        self._in_their_place = in_their_place
        #: Lines lost since one could be written, and why the last was.
        self.lost = 0
        self.problem: OSError | None = None

    def append(self, lines: bytes) -> bool:
        """Whether they were written; before the first ones again stands a line for the lost."""
        told = b"" if self.problem is None else self._in_their_place(self.lost, self.problem)
        try:
            self.write(told + lines)
        except OSError as error:
            ours = lines.count(b"\n")
            if self.unwritten <= ours:
                self.lost = 0  # it is told
            self.lost += min(self.unwritten, ours)
            self.problem = error
            return False
        self.lost, self.problem = 0, None
        return True
