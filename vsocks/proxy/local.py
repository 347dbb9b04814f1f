"""The proxy's own pages: its status, and the PAC file that sets up browsers."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from vsocks.address import Target, is_ip, split_host_port
from vsocks.http1.errors import show
from vsocks.http1.head import encode_head
from vsocks.proxy.pages import escape, failure_page, html, respond

if TYPE_CHECKING:
    from vsocks.http1.head import RequestHead

_PAC_PATH: Final = "/proxy.pac"

_SECRET: Final = frozenset({"authorization", "cookie", "proxy-authorization"})
_JSON_TYPE: Final = "application/json"
_PAC_TYPE: Final = "application/x-ns-proxy-autoconfig"
# Written for the oldest engine that may read it, that of Internet Explorer.
_PAC: Final = """\
function FindProxyForURL(url, host) {{
  if (host === "localhost" || host === "::1" || host === "[::1]" ||
      /^127\\.\\d+\\.\\d+\\.\\d+$/.test(host)) {{
    return "DIRECT";
  }}
  return "PROXY {proxy}; SOCKS5 {proxy}";
}}
"""


@dataclass(frozen=True, slots=True)
class ProxyStatus:
    """The proxy's status, for its status page."""

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


def local_page(head: RequestHead, status: ProxyStatus) -> bytes:
    """The answer to a request for one of the proxy's own pages; may be a 403, a 404 or a 405."""
    if head.method not in ("GET", "HEAD"):
        return failure_page(405, f"The method was {show(head.method)}.", method=head.method)
    if not all(map(_is_ours, head.values("host"))):
        # A name that its owner has pointed here: his page would read what is for this machine.
        reason = "The proxy's own pages are at its address, not at a name."
        return failure_page(403, reason, method=head.method)
    match head.target.partition("?")[0]:
        case "/":
            return status_page(status, method=head.method)
        case "/status.json":
            return status_json(status, method=head.method)
        case "/proxy.pac":
            return proxy_pac(status.address.host, status.address.port, method=head.method)
        case path:
            return failure_page(404, f"The page was {show(path)}.", method=head.method)


def _is_ours(host: str) -> bool:
    """Whether a Host header can't be a name that somebody else has made."""
    try:
        name, _ = split_host_port(host)
    except ValueError:
        return False
    return name.lower() in {"", "localhost"} or is_ip(name)


def status_page(status: ProxyStatus, *, method: str = "GET") -> bytes:
    """The response with the status page."""
    rows = [
        ("Channel", f"{status.channel}, {'open' if status.channel_open else 'not open'}"),
        ("Session with the host", f"none: {status.down}" if status.down else "up"),
        ("Connections", f"{status.connections} of {status.max_connections}"),
        ("UDP associations", f"{status.associations} of {status.max_associations}"),
        ("Datagrams dropped", str(status.dropped)),
        ("Proxy for HTTP and SOCKS", str(status.address)),
        ("Version", status.version),
    ]
    cells = "".join(f"<tr><th>{escape(name)}<td>{escape(value)}\n" for name, value in rows)
    link = f'<p>To set up a browser: <a href="{_PAC_PATH}">{_PAC_PATH}</a></p>\n'
    table = f'<table style="text-align:left;border-spacing:1em 0">\n{cells}</table>\n'
    return respond(html("vsocks", table + link), method=method)


def status_json(status: ProxyStatus, *, method: str = "GET") -> bytes:
    """The response with the status as one JSON object, for programs."""
    members = {
        "version": status.version,
        "address": str(status.address),
        "channel": status.channel,
        "channel_open": status.channel_open,
        "session": not status.down,
        "connections": status.connections,
        "max_connections": status.max_connections,
        "associations": status.associations,
        "max_associations": status.max_associations,
        "dropped": status.dropped,
    }
    return respond(json.dumps(members).encode() + b"\n", _JSON_TYPE, method=method)


def proxy_pac(host: str, port: int, *, method: str = "GET") -> bytes:
    """The response with the PAC file, which sends everything but this machine through the proxy.

    A browser that can't use it as an HTTP proxy tries SOCKS.
    """
    pac = _PAC.format(proxy=Target(host, port)).encode("ascii")
    return respond(pac, _PAC_TYPE, method=method)


def last_hop_answer(head: RequestHead) -> bytes:
    """The answer to a TRACE or OPTIONS that may not be forwarded (Max-Forwards: 0).

    TRACE gets its request back without credentials (RFC 9110, section 9.3.8).
    """
    if head.method == "OPTIONS":
        return respond(b"", "text/plain")
    headers = ((name, value) for name, value in head.headers if name.lower() not in _SECRET)
    version = f"HTTP/{head.version[0]}.{head.version[1]}"
    return respond(encode_head(f"{head.method} {head.target} {version}", headers), "message/http")
