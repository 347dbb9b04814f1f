"""The heads of requests and responses, and their bytes (RFC 9112, sections 2 to 5)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from vsocks.http1.errors import HttpError, show, show_name

if TYPE_CHECKING:
    from collections.abc import Iterable

#: Names and values as they were sent, decoded as Latin-1, which loses nothing.
Headers = tuple[tuple[str, str], ...]
Version = tuple[int, int]

_TOKEN: Final = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_TOKENS: Final = re.compile(_TOKEN)
_NO_LETTERS: Final = re.compile(rb"[^a-z]+")
#: The headers that say where a body ends, by their letters.
_FRAMING: Final = frozenset({b"contentlength", b"transferencoding"})
_ASCII: Final = bytes(range(0x80))
# No control characters but the tab: the RFC lets a recipient keep some, and none is of use.
_VALUE: Final = re.compile(rb"[\t\x20-\x7e\x80-\xff]*")
_REQUEST_LINE: Final = re.compile(rb"(%s) ([\x21-\x7e\x80-\xff]+) HTTP/([0-9])\.([0-9])" % _TOKEN)
# The space before an empty reason is left out by many servers.
_STATUS_LINE: Final = re.compile(rb"HTTP/1\.([01]) ([1-9][0-9]{2})(?: ([\t\x20-\x7e\x80-\xff]*))?")


class _Head:
    """What both heads have: access to headers by name, in lower case."""

    __slots__ = ()
    headers: Headers

    def values(self, name: str) -> list[str]:
        """The values of all headers of that name, in order."""
        return [value for key, value in self.headers if key.lower() == name]

    def tokens(self, name: str) -> list[str]:
        """The members of a header that is a list of tokens, in lower case."""
        return list_of(self.values(name))


@dataclass(frozen=True, slots=True)
class RequestHead(_Head):
    """A request's first line and headers; ``target`` is as it was sent, in ASCII."""

    method: str
    target: str
    version: Version
    headers: Headers = ()


@dataclass(frozen=True, slots=True)
class ResponseHead(_Head):
    """A response's first line and headers."""

    version: Version
    status: int
    reason: str
    headers: Headers = ()


def list_of(values: Iterable[str]) -> list[str]:
    """The members of comma-separated lists, in lower case, without empty ones."""
    members = (member.strip(" \t").lower() for value in values for member in value.split(","))
    return [member for member in members if member]


def encode_head(first_line: str, headers: Iterable[tuple[str, str]]) -> bytes:
    """The bytes of a head, with the empty line behind it."""
    lines = [first_line, *(f"{name}: {value}" for name, value in headers), "", ""]
    return "\r\n".join(lines).encode("latin-1")


def parse_request_line(line: bytes) -> tuple[str, str, Version]:
    """Method, target and version. Raises HttpError.

    Bytes beyond ASCII in the target become ``%XX``, as a browser sends them; curl doesn't.
    """
    match = _REQUEST_LINE.fullmatch(line)
    if match is None:
        # Only its method: what follows may hold a password.
        method = show(line.partition(b" ")[0])
        raise HttpError(400, f"the request's first line is malformed: {method} …")
    target = quote(match[2], safe=_ASCII)
    method, major, minor = (group.decode("ascii") for group in match.group(1, 3, 4))
    if (major, minor) not in (("1", "0"), ("1", "1")):
        raise HttpError(505, f"the request is of HTTP version {major}.{minor}, not 1.0 or 1.1")
    return method, target, (1, int(minor))


def parse_status_line(line: bytes) -> tuple[Version, int, str]:
    """Version, status and reason. Raises HttpError."""
    match = _STATUS_LINE.fullmatch(line)
    if match is None:
        raise HttpError(502, f"the response's first line is malformed: {show(line)}")
    minor, status, reason = match.groups()
    return (1, int(minor)), int(status), (reason or b"").decode("latin-1")


def parse_header(line: bytes) -> tuple[str, str]:
    """Name and value of a header line, or of a trailer.

    Raises HttpError, also for space before the colon and for a line that begins with space (a
    folded value): both have been used to hide headers from one of two recipients.
    """
    name, colon, value = line.partition(b":")
    value = value.strip(b" \t")
    if not colon or not _TOKENS.fullmatch(name) or not _VALUE.fullmatch(value):
        raise HttpError(400, f"a header line is malformed{show_name(line)}")
    return name.decode("ascii"), value.decode("latin-1")


def parse_response_header(line: bytes) -> tuple[str, str] | None:
    """The same for a response, without space before the colon; None for a line that is no header.

    Raises HttpError if such a line may have been meant to say where the body ends.
    """
    name, colon, value = line.partition(b":")
    is_framing = _may_be_framing(name)
    try:
        return parse_header(line if is_framing else name.rstrip(b" \t") + colon + value)
    except HttpError:
        if is_framing:
            raise
        return None


def _may_be_framing(name: bytes) -> bool:
    return _NO_LETTERS.sub(b"", name.lower()) in _FRAMING


def unfold(header: tuple[str, str], line: bytes) -> tuple[str, str]:
    """The header with the value that a line continues. Raises HttpError, also for framing."""
    name, value = header
    if _may_be_framing(name.encode()):
        raise HttpError(400, f"a header line is malformed: {name} is folded")
    more = line.strip(b" \t")
    if not _VALUE.fullmatch(more):
        return header
    return name, f"{value} {more.decode('latin-1')}".strip(" ")
