"""The proxy's own pages: its status, and the PAC file that sets up browsers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from vsocks.address import Target, is_ip, split_host_port
from vsocks.http1.errors import show
from vsocks.http1.head import encode_head
from vsocks.proxy.pages import failure_page, respond
from vsocks.proxy.status import PAC_PATH, status_json, status_page

if TYPE_CHECKING:
    from vsocks.http1.head import RequestHead
    from vsocks.proxy.status import ProxyStatus

_SECRET: Final = frozenset({"authorization", "cookie", "proxy-authorization"})
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


def local_page(head: RequestHead, status: ProxyStatus) -> bytes:
    """The answer to a request for one of the proxy's own pages; may be a 403, a 404 or a 405."""
    if head.method not in ("GET", "HEAD"):
        return failure_page(405, f"The method was {show(head.method)}.", method=head.method)
    if not all(map(_is_ours, head.values("host"))):
        # A name that its owner has pointed here: his page would read what is for this machine.
        reason = "The proxy's own pages are at its address, not at a name."
        return failure_page(403, reason, method=head.method)
    path, _, query = head.target.partition("?")
    match path:
        case "/":
            return status_page(status, query, method=head.method)
        case "/status.json":
            return status_json(status, method=head.method)
        case _ if path == PAC_PATH:
            return proxy_pac(status.address.host, status.address.port, method=head.method)
        case _:
            return failure_page(404, f"The page was {show(path)}.", method=head.method)


def _is_ours(host: str) -> bool:
    """Whether a Host header can't be a name that somebody else has made."""
    try:
        name, _ = split_host_port(host)
    except ValueError:
        return False
    return name.lower() in {"", "localhost"} or is_ip(name)


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
