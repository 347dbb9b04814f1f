"""A line of the audit as an entry of systemd's journal.

An entry is a datagram of fields, each ``NAME=value`` and a line feed: the journal's native protocol
(systemd.io/JOURNAL_NATIVE_PROTOCOL). The line itself is its message, so what reads a file of lines
reads ``journalctl -t vsocks-audit -o cat``, too.
"""

from __future__ import annotations

import json
from typing import Any, Final

#: What `journalctl -t` looks for.
IDENTIFIER: Final = "vsocks-audit"
#: Names of other fields are never ours.
_PREFIX: Final = "VSOCKS_"
#: The levels of syslog.
_WARNING, _NOTICE, _INFO = 4, 5, 6


def entry_of(line: bytes) -> bytes:
    """The entry for a ``line`` of record.py's, in printable ASCII and line feeds.

    It is of a bounded length, as the line is, and far below what a datagram may have: the way that
    the protocol has for more is never needed.
    """
    told: dict[str, Any] = json.loads(line)
    fields = {
        "MESSAGE": line.decode("ascii").rstrip("\n"),
        "PRIORITY": str(_priority(told)),
        "SYSLOG_IDENTIFIER": IDENTIFIER,
        **{
            f"{_PREFIX}{name.upper()}": _text(value)
            for name, value in told.items()
            if value is not None
        },
    }
    return "".join(f"{name}={value}\n" for name, value in fields.items()).encode("ascii")


def _priority(told: dict[str, Any]) -> int:
    if told["event"] == "lost":
        return _WARNING
    return _INFO if told["allowed"] else _NOTICE


def _text(value: Any) -> str:
    """A value without quotes about it, escaped as in the line."""
    text = json.dumps(value).replace("\x7f", "\\u007f")
    return text[1:-1] if isinstance(value, str) else text
