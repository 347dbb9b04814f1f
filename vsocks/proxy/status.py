"""The proxy's status, for people and for programs."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from vsocks.errors import printable
from vsocks.proxy.pages import escape, html, respond

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from vsocks.address import Target
    from vsocks.proxy.refusals import Refusal

PAC_PATH: Final = "/proxy.pac"
#: What follows "/?" for a page that stays as it is.
STILL: Final = "still"

#: Connections that are listed, and characters of a text there.
MOST_LISTED: Final = 50
LONGEST_TEXT: Final = 100
#: Seconds until a browser loads the page again.
_REFRESH: Final = "5"
_JSON_TYPE: Final = "application/json"
#: Other sites can't read it anyway; they shall not show it in a frame, nor load it in secret.
_APART: Final = [("Cross-Origin-Resource-Policy", "same-origin"), ("X-Frame-Options", "DENY")]


@dataclass(frozen=True, slots=True)
class ConnectionStatus:
    """One connection, or an association with its datagrams."""

    #: Its name in the log of both daemons.
    number: str
    #: What its client speaks.
    protocol: str
    target: str
    #: Bytes from this machine to the target, and back, and how many a second lately.
    sent: int
    received: int
    sent_rate: float
    received_rate: float
    #: Since it was asked for.
    seconds: float
    #: Whether the host has answered.
    is_answered: bool = True


@dataclass(frozen=True, slots=True)
class ProxyStatus:
    """The proxy's status."""

    version: str
    #: Where it listens, as clients reach it.
    address: Target
    #: Why there is no session with the host; empty while there is one.
    down: str
    connections: int
    max_connections: int
    associations: int
    max_associations: int
    #: Datagrams, of this session.
    dropped: int
    #: For people: the way to the host, and whether it is open.
    channel: str = ""
    channel_open: bool = False
    #: For people: what the session's sides have agreed on; and how long it has stood.
    session: str = ""
    session_seconds: float = 0.0
    #: Bytes of all connections since the daemon began, and how many a second lately.
    sent: int = 0
    received: int = 0
    sent_rate: float = 0.0
    received_rate: float = 0.0
    #: Why the connections and refusals are not shown; empty if they are.
    hidden: str = ""
    #: The busiest first.
    listed: Sequence[ConnectionStatus] = ()
    #: The latest first: each with its count and the seconds since.
    refusals: Sequence[tuple[Refusal, int, float]] = ()


def status_page(status: ProxyStatus, query: str = "", *, method: str = "GET") -> bytes:
    """The response with the status page."""
    still = query == STILL
    links = [(PAC_PATH, "PAC file, to set up a browser"), ("/status.json", "JSON, for programs")]
    links.append(("/", "load again and again") if still else (f"/?{STILL}", "hold still"))
    body = [
        _overview(status),
        _connections(status),
        _refusals(status),
        "<p>" + " &middot; ".join(f'<a href="{to}">{text}</a>' for to, text in links) + "</p>\n",
    ]
    headers = _APART if still else [*_APART, ("Refresh", _REFRESH)]
    return respond(html("vsocks", "".join(body), wide=True), headers=headers, method=method)


def _overview(status: ProxyStatus) -> str:
    rows = [
        ("Channel", f"{status.channel}, {'open' if status.channel_open else 'not open'}"),
        ("Session with the host", f"none: {status.down}" if status.down else "up"),
    ]
    if not status.down:
        rows.append(("Since", f"{_duration(status.session_seconds)} ago, {status.session}"))
    rows += [
        ("Connections", f"{status.connections} of {status.max_connections}"),
        ("UDP associations", f"{status.associations} of {status.max_associations}"),
        ("Sent", f"{_size(status.sent)}, {_size(status.sent_rate)}/s"),
        ("Received", f"{_size(status.received)}, {_size(status.received_rate)}/s"),
        ("Datagrams dropped", str(status.dropped)),
        ("Proxy for HTTP and SOCKS", str(status.address)),
        ("Version", status.version),
    ]
    cells = "".join(f"<tr><th>{escape(name)}<td>{escape(value)}\n" for name, value in rows)
    return f"<table>\n{cells}</table>\n"


def _connections(status: ProxyStatus) -> str:
    if status.hidden:
        return f"<p>{escape(status.hidden)}</p>\n"
    names = ["Number", "Protocol", "Target", "Sent", "Received", "Sent/s", "Received/s", "Age"]
    rows = [
        [
            each.number,
            each.protocol,
            shortened(each.target) + ("" if each.is_answered else " (the host has yet to answer)"),
            _size(each.sent),
            _size(each.received),
            _size(each.sent_rate),
            _size(each.received_rate),
            _duration(each.seconds),
        ]
        for each in status.listed[:MOST_LISTED]
    ]
    more = len(status.listed) - len(rows)
    return _table("Connections", names, rows) + (f"<p>and {more} more</p>\n" if more else "")


def _refusals(status: ProxyStatus) -> str:
    names = ["When", "Times", "Protocol", "Target", "Reason"]
    rows = [
        [
            f"{_duration(seconds)} ago",
            str(count),
            each.protocol,
            shortened(each.target),
            shortened(each.reason),
        ]
        for each, count, seconds in status.refusals
    ]
    return "" if status.hidden else _table("Last refusals", names, rows)


def _table(title: str, names: Iterable[str], rows: Sequence[Iterable[str]]) -> str:
    """A table with a title; all is text."""
    if not rows:
        return f"<h2>{escape(title)}</h2>\n<p>none</p>\n"
    head = "".join(f"<th>{escape(name)}" for name in names)
    lines = "".join(f"<tr>{''.join(f'<td>{escape(cell)}' for cell in row)}\n" for row in rows)
    return f"<h2>{escape(title)}</h2>\n<table>\n<tr>{head}\n{lines}</table>\n"


def status_json(status: ProxyStatus, *, method: str = "GET") -> bytes:
    """The response with the status as one JSON object, for programs."""
    members: dict[str, Any] = {
        "version": status.version,
        "address": str(status.address),
        "channel": status.channel,
        "channel_open": status.channel_open,
        "session": not status.down,
        "session_seconds": None if status.down else round(status.session_seconds, 3),
        "connections": status.connections,
        "max_connections": status.max_connections,
        "associations": status.associations,
        "max_associations": status.max_associations,
        "dropped": status.dropped,
        "sent": status.sent,
        "received": status.received,
    }
    if not status.hidden:
        members["listed"] = [
            {
                "number": each.number,
                "protocol": each.protocol,
                "target": shortened(each.target),
                "sent": each.sent,
                "received": each.received,
                "seconds": round(each.seconds, 3),
                "answered": each.is_answered,
            }
            for each in status.listed[:MOST_LISTED]
        ]
        members["refusals"] = [
            {
                "protocol": each.protocol,
                "target": shortened(each.target),
                "reason": shortened(each.reason),
                "count": count,
                "seconds": round(seconds, 3),
            }
            for each, count, seconds in status.refusals
        ]
    headers = _APART
    return respond(json.dumps(members).encode() + b"\n", _JSON_TYPE, headers=headers, method=method)


def shortened(text: str) -> str:
    """``text`` without what a terminal might obey, and not longer than there is room."""
    text = printable(text)
    return text if len(text) <= LONGEST_TEXT else f"{text[: LONGEST_TEXT - 1]}…"


def _size(count: float) -> str:
    """Bytes for people, in three digits or so."""
    units = ["B", "kB", "MB", "GB", "TB"]
    while count >= 1000 and len(units) > 1:
        count /= 1000
        del units[0]
    digits = f"{count:.0f}" if units[0] == "B" or count >= 100 else f"{count:.3g}"
    return f"{digits} {units[0]}"


def _duration(seconds: float) -> str:
    """A time for people, by its two largest units."""
    whole = int(seconds)
    for size, unit, smaller, name in ((86400, "d", 3600, "h"), (3600, "h", 60, "min")):
        if whole >= size:
            return f"{whole // size} {unit} {whole % size // smaller} {name}"
    return f"{whole // 60} min {whole % 60} s" if whole >= 60 else f"{whole} s"
