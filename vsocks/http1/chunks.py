"""Bodies in chunks (RFC 9112, section 7.1).

    size line ──> data ──> line end ──> size line …
        │ 0
        └──> trailers ──> empty line

Each state is a method, named ``_state_…``, which returns how many bytes it has used. Chunks are
passed on unchanged, so they are parsed as strictly as the strictest recipient might.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from vsocks.http1.body import Body
from vsocks.http1.errors import HttpError, show
from vsocks.http1.head import parse_header
from vsocks.http1.lines import LineReader

if TYPE_CHECKING:
    from collections.abc import Callable

#: Bytes of the line before a chunk: the size, and extensions that nobody uses.
SIZE_LINE_LIMIT: Final = 256
#: Bytes of all lines behind the last chunk.
TRAILER_LIMIT: Final = 8 * 1024

# As in Content-Length: int() takes too much, and nobody should have to count beyond 63 bits.
_SIZE_LINE: Final = re.compile(rb"0*([0-9A-Fa-f]{1,15})([ \t]*)(?:;[\t\x20-\x7e\x80-\xff]*)?")
#: Some readers join trailers with the headers, where these would change what the message is.
_NO_TRAILERS: Final = frozenset({"content-length", "transfer-encoding", "host"})


class ChunkedBody(Body):
    """A chunked body. ``padded`` allows space after a size, which old servers send."""

    def __init__(self, *, padded: bool = False) -> None:
        self._padded = padded
        too_long = HttpError(400, "a line between chunks is too long")
        self._lines = LineReader(SIZE_LINE_LIMIT, too_long)
        self._state: Callable[[memoryview, list[memoryview] | None], int] = self._state_size
        #: Bytes of the chunk that are still to come.
        self._left = 0

    def receive(self, data: memoryview, content: list[memoryview] | None = None) -> int:
        """How many bytes of ``data`` belong to the body. Raises HttpError if it is malformed."""
        used = 0
        while used < len(data) and not self.is_complete:
            used += self._state(data[used:], content)
        return used

    def _state_size(self, data: memoryview, content: list[memoryview] | None) -> int:
        line, used = self._lines.receive(data)
        if line is not None:
            self._left = self._parse_size(line)
            self._lines.renew(SIZE_LINE_LIMIT if self._left else TRAILER_LIMIT)
            self._state = self._state_data if self._left else self._state_trailers
        return used

    def _parse_size(self, line: bytes) -> int:
        match = _SIZE_LINE.fullmatch(line)
        if match is None or (match[2] and not self._padded):
            raise HttpError(400, f"a chunk's size is malformed: {show(line)}")
        return int(match[1], 16)

    def _state_data(self, data: memoryview, content: list[memoryview] | None) -> int:
        taken = min(self._left, len(data))
        if content is not None:
            content.append(data[:taken])
        self._left -= taken
        if not self._left:
            self._state = self._state_line_end
        return taken

    def _state_line_end(self, data: memoryview, content: list[memoryview] | None) -> int:
        line, used = self._lines.receive(data)
        if line:
            raise HttpError(400, "a chunk is longer than its size")
        if line is not None:
            self._lines.renew(SIZE_LINE_LIMIT)
            self._state = self._state_size
        return used

    def _state_trailers(self, data: memoryview, content: list[memoryview] | None) -> int:
        line, used = self._lines.receive(data)
        if line:
            name, _ = parse_header(line)
            if name.lower() in _NO_TRAILERS:
                raise HttpError(400, f"{name} can't come behind the chunks")
        elif line is not None:
            self.is_complete = True
        return used
