"""Errors in a message, or in what it asks for."""

from __future__ import annotations

from typing import Final

from vsocks.errors import VsocksError

#: Characters of a peer's bytes that a message shows.
_SHOWN: Final = 60


class HttpError(VsocksError):
    """A message that can't be forwarded.

    ``status`` is the HTTP status for the client; ``reason`` is one printable line.
    """

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


def show_name(line: bytes) -> str:
    """The name in a malformed header line, without the value, which may be secret; "" if none."""
    name, colon, _ = line.partition(b":")
    is_folded = line[:1].isspace()
    return f": {show(name.split()[0])}" if colon and name.split() and not is_folded else ""


def show_authority(text: str) -> str:
    """An authority for an error message, without user and password."""
    return show(text.rpartition("@")[2])


def show(text: str | bytes) -> str:
    """What a peer sent: quoted, cut short, and safe for a log line."""
    quoted = ascii(text[:_SHOWN]).removeprefix("b")
    return quoted + ("…" if len(text) > _SHOWN else "")
