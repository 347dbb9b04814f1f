"""What is wrong with a message, or with what it asks for."""

from __future__ import annotations

from typing import Final

from vsocks.errors import VsocksError

#: Characters of a peer's bytes that a message shows.
_SHOWN: Final = 60


class HttpError(VsocksError):
    """A message that can't go on its way.

    ``status`` is what tells the client so; ``reason`` is one printable line for a person.
    """

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


def show_name(line: bytes) -> str:
    """The name of a malformed header line, for its value may be a password; "" if it has none."""
    name, colon, _ = line.partition(b":")
    is_folded = line[:1].isspace()
    return f": {show(name.split()[0])}" if colon and name.split() and not is_folded else ""


def show_authority(text: str) -> str:
    """What a client names as HOST:PORT, without a user and a password before it."""
    return show(text.rpartition("@")[2])


def show(text: str | bytes) -> str:
    """What a peer sent, quoted, cut short, and harmless for a log line."""
    quoted = ascii(text[:_SHOWN]).removeprefix("b")
    return quoted + ("…" if len(text) > _SHOWN else "")
