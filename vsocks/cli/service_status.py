"""How a guest daemon on this machine is, asked of its own status page."""

from __future__ import annotations

import json
import socket
import time
from typing import TYPE_CHECKING, Any, Final

from vsocks.errors import describe, printable

if TYPE_CHECKING:
    from vsocks.address import Target

_SECONDS: Final = 5.0
_MAX_ANSWER: Final = 1 << 16
_REQUEST: Final = b"GET /status.json HTTP/1.0\r\nHost: localhost\r\n\r\n"


def describe_daemon(proxy: Target) -> list[str]:
    """Lines for people: what the daemon says that listens there, or that it says nothing."""
    try:
        return _lines(proxy, json.loads(_ask(proxy)))
    except (OSError, ValueError, TypeError, KeyError) as error:
        return [f"it does not tell its status at {proxy}: {describe(error)}"]


def _lines(proxy: Target, status: dict[str, Any]) -> list[str]:
    """What a status says. Raises KeyError, TypeError if it is none."""
    shown = [
        f"version {status['version']}, proxy at {proxy}",
        f"channel {status['channel']}: {'open' if status['channel_open'] else 'not open'}",
        f"session with the host: {'up' if status['session'] else 'none'}",
        f"connections: {status['connections']} of {status['max_connections']}",
        f"UDP associations: {status['associations']} of {status['max_associations']}",
    ]
    # Another program may listen there: nothing is shown that a terminal would obey.
    return [printable(line) for line in shown]


def _ask(proxy: Target) -> bytes:
    """The page that it gives. Raises OSError, ValueError."""
    answer = b""
    deadline = time.monotonic() + _SECONDS
    with socket.create_connection((proxy.host, proxy.port), _SECONDS) as connection:
        connection.sendall(_REQUEST)
        while data := connection.recv(_MAX_ANSWER):
            answer += data
            if len(answer) > _MAX_ANSWER or time.monotonic() > deadline:
                raise ValueError("the answer has no end")
    head, _, body = answer.partition(b"\r\n\r\n")
    if b" 200 " not in head.partition(b"\r\n")[0]:
        raise ValueError("what answers is not vsocks")
    return body
