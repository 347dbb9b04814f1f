"""A log file of bounded size, with some older ones."""

from __future__ import annotations

import contextlib
import os
import shutil
from itertools import pairwise
from typing import TYPE_CHECKING

from vsocks.cli.line_handler import LineHandler

if TYPE_CHECKING:
    from pathlib import Path


class LogFile(LineHandler):
    """Writes records to a file; when that is full, its content moves on to PATH.1, .2, and so on.

    It is copied, not renamed: on Windows a program that has the file open, a viewer say, can forbid
    that it is renamed, and the log must go on all the same.
    """

    def __init__(self, path: Path, size: int, older: int) -> None:
        """``size`` is in bytes. Raises OSError if the file can't be written."""
        super().__init__(self._put)
        self._size = size
        self._paths = [path, *(path.with_name(f"{path.name}.{n + 1}") for n in range(older))]
        path.touch()
        self._file = path.open("r+b", buffering=0)
        self._file.seek(0, os.SEEK_END)

    def _put(self, data: memoryview) -> int | None:
        if self._file.tell() + len(data) > self._size:
            self._begin_anew()
        return self._file.write(data)

    def _begin_anew(self) -> None:
        """Copy each file over the next older one, and go on at the begin of the first."""
        for newer, older in reversed(list(pairwise(self._paths))):
            # There is none yet, or somebody doesn't let us: then this one is lost.
            with contextlib.suppress(OSError):
                shutil.copyfile(newer, older)
        self._file.seek(0)
        # Should this be forbidden, old lines are left behind the new ones.
        with contextlib.suppress(OSError):
            self._file.truncate()

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        super().close()
