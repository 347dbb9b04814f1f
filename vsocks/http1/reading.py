"""Heads, from bytes that arrive in any pieces.

Each line is checked as soon as it is whole. So the result is the same however the bytes are cut,
and no more than ``max_head_size`` bytes are held.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Final, Generic, TypeVar

from vsocks.http1.errors import HttpError
from vsocks.http1.head import (
    Headers,
    RequestHead,
    ResponseHead,
    Version,
    parse_header,
    parse_request_line,
    parse_response_header,
    parse_status_line,
    unfold,
)
from vsocks.http1.lines import LineReader

#: Bytes of a head, with all its line ends.
MAX_HEAD_SIZE: Final = 32 * 1024
#: Headers of a head. Browsers send about 20; servers that set many cookies come to 100.
HEADER_COUNT_LIMIT: Final = 256

HeadT = TypeVar("HeadT", RequestHead, ResponseHead)


class HeadReader(ABC, Generic[HeadT]):
    """Reads one head."""

    #: What is read, for messages.
    _what: str

    def __init__(self, max_head_size: int = MAX_HEAD_SIZE) -> None:
        too_long = HttpError(
            431, f"the head of the {self._what} is longer than {max_head_size} bytes"
        )
        self._lines = LineReader(max_head_size, too_long, bare_lf=True)
        self._headers: list[tuple[str, str]] = []
        self._is_begun = False

    def receive(self, data: memoryview) -> tuple[HeadT | None, int]:
        """The head once it is whole, else None; and how many bytes of ``data`` belong to it.

        Raises HttpError. Not to be called again after the head, or an error.
        """
        used = 0
        while True:
            line, taken = self._lines.receive(data[used:])
            used += taken
            if line is None:
                return None, used
            if not self._is_begun:
                self._is_begun = self._begin(line)
            elif line:
                self._add(line)
            else:
                return self._end(tuple(self._headers)), used

    def _add(self, line: bytes) -> None:
        if len(self._headers) >= HEADER_COUNT_LIMIT:
            raise HttpError(431, f"the {self._what} has over {HEADER_COUNT_LIMIT} headers")
        self._take(line)

    @abstractmethod
    def _take(self, line: bytes) -> None:
        """Take a header line."""

    @abstractmethod
    def _begin(self, line: bytes) -> bool:
        """Take the first line; returns whether there was one."""

    @abstractmethod
    def _end(self, headers: Headers) -> HeadT:
        """The head, from the lines taken."""


class RequestReader(HeadReader[RequestHead]):
    """Reads the head of a request; empty lines before it are skipped (RFC 9112, section 2.2).

    The request line may end in LF alone, as that of some old programs does: whoever takes only
    CR LF for an end finds no request line there at all. In header lines such an LF could hide one
    of them from another recipient.
    """

    _what = "request"
    _first: tuple[str, str, Version]

    def _begin(self, line: bytes) -> bool:
        if line:
            self._first = parse_request_line(line)
            self._lines.bare_lf = False
        return bool(line)

    def _take(self, line: bytes) -> None:
        self._headers.append(parse_header(line))

    def _end(self, headers: Headers) -> RequestHead:
        return RequestHead(*self._first, headers)


class ResponseReader(HeadReader[ResponseHead]):
    """Reads the head of a response as kindly as browsers do, for it is written anew.

    Its lines may end in LF alone. Space before a colon is removed, and a folded value is joined
    (RFC 9112, sections 5.1 and 5.2). A line that is no header is left out, unless it may have been
    meant to say where the body ends.
    """

    _what = "response"
    _first: tuple[Version, int, str]
    #: Whether the last line was left out, and so is what continues it.
    _left_out = True

    def _begin(self, line: bytes) -> bool:
        self._first = parse_status_line(line)
        return True

    def _take(self, line: bytes) -> None:
        if line[:1] in (b" ", b"\t"):
            if not self._left_out:
                self._headers[-1] = unfold(self._headers[-1], line)
            return
        header = parse_response_header(line)
        self._left_out = header is None
        if header is not None:
            self._headers.append(header)

    def _end(self, headers: Headers) -> ResponseHead:
        return ResponseHead(*self._first, headers)
