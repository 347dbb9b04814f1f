"""What a proxy changes in the heads that it passes on (RFC 9110, section 7.6).

Hop-by-hop headers are removed, and those for the next hop are written anew. No header that says
where a body ends is passed on as it came: it is written from what was understood.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from vsocks.http1.framing import content_length, has_coding, has_no_body, is_chunked
from vsocks.http1.head import RequestHead, ResponseHead, encode_head

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vsocks.http1.uri import Resource

_NAME: Final = "vsocks"
#: Never passed on as they came.
_HOP_BY_HOP: Final = frozenset(
    {
        "connection",
        "content-length",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authentication-info",
        "proxy-authorization",
        "proxy-connection",
        "http2-settings",
        "te",
        "transfer-encoding",
        "upgrade",
    }
)
_UPGRADE_REQUIRED: Final = 426
_COUNTED: Final = frozenset({"OPTIONS", "TRACE"})
_NUMBER: Final = re.compile(r"[0-9]{1,9}")


def wants_upgrade(head: RequestHead) -> bool:
    """Whether the client asks to switch protocols, to WebSocket for example."""
    return (
        "upgrade" in head.tokens("connection") and bool(_upgrades(head)) and head.version >= (1, 1)
    )


def _upgrades(head: RequestHead) -> list[tuple[str, str]]:
    """The Upgrade header without h2c, which is nothing without its HTTP2-Settings.

    That belongs to this connection alone; the upgrade is gone from HTTP/2 (RFC 9113, appendix B).
    """
    values = [value.strip(" \t") for each in head.values("upgrade") for value in each.split(",")]
    left = [value for value in values if value and value.lower() != "h2c"]
    return [("Upgrade", ", ".join(left))] if left else []


def client_stays(head: RequestHead) -> bool:
    """Whether the client would send another request on its connection.

    An HTTP/1.0 client that says so isn't believed: an old proxy may have passed on a header that
    it didn't understand (RFC 9112, section 9.3).
    """
    options = head.tokens("connection") + head.tokens("proxy-connection")
    return head.version >= (1, 1) and "close" not in options


def server_stays(head: ResponseHead) -> bool:
    """Whether the server would take another request on its connection."""
    options = head.tokens("connection")
    # Both lengths, or chunks from a time before there were any: RFC 9112, section 6.1.
    doubtful = head.values("transfer-encoding") and (
        head.values("content-length") or head.version < (1, 1)
    )
    if doubtful or "close" in options:
        return False
    return head.version >= (1, 1) or "keep-alive" in options


def max_forwards(head: RequestHead) -> int | None:
    """The value of Max-Forwards; None if there is no valid one, or it doesn't apply."""
    values = head.values("max-forwards")
    if head.method not in _COUNTED or len(values) != 1 or not _NUMBER.fullmatch(values[0]):
        return None
    return int(values[0])


def encode_request(head: RequestHead, resource: Resource) -> bytes:
    """The head of a request as the server is to see it."""
    path = resource.path or ("*" if head.method == "OPTIONS" else "/")
    options = [] if client_stays(head) else ["close"]
    headers = [("Host", resource.host), *_end_to_end(head, "host", *_request_only(head))]
    if (hops := max_forwards(head)) is not None:
        headers.append(("Max-Forwards", str(max(0, hops - 1))))
    headers += _framing(head)
    if wants_upgrade(head):
        options.append("upgrade")
        headers += _upgrades(head)
    headers.append(_via(head))
    return encode_head(f"{head.method} {path} HTTP/1.1", _with_options(headers, options))


def _request_only(head: RequestHead) -> Iterator[str]:
    """Headers of this request that aren't passed on unchanged."""
    if max_forwards(head) is not None:
        yield "max-forwards"
    if head.version < (1, 1):
        # A client of HTTP/1.0 can't wait for what it doesn't know (RFC 9110, section 10.1.1).
        yield "expect"


def encode_response(
    head: ResponseHead, method: str, *, close: bool, unchunked: bool = False
) -> bytes:
    """The head of a response to a request with ``method`` as the client is to see it.

    With ``close`` it is the last on its connection; with ``unchunked`` its body is passed on
    without the chunks.
    """
    options = ["close"] if close else []
    headers = list(_end_to_end(head, *(["trailer"] if unchunked else [])))
    if has_no_body(method, head.status):
        headers += _size_of_absent_body(head)
    elif not unchunked:
        headers += _framing(head)
    if head.status in (101, _UPGRADE_REQUIRED):
        options.append("upgrade")
        headers += _named(head, "upgrade")
    headers.append(_via(head))
    first_line = f"HTTP/1.1 {head.status} {head.reason}"
    return encode_head(first_line, _with_options(headers, options))


def _end_to_end(head: RequestHead | ResponseHead, *others: str) -> Iterator[tuple[str, str]]:
    """The headers without hop-by-hop ones, those that Connection names, and ``others``."""
    dropped = _HOP_BY_HOP.union(head.tokens("connection"), others)
    return ((name, value) for name, value in head.headers if name.lower() not in dropped)


def _framing(head: RequestHead | ResponseHead) -> list[tuple[str, str]]:
    """The headers that say where the body ends. An unknown coding stays as it is."""
    if is_chunked(head):
        return [("Transfer-Encoding", "chunked")]
    if has_coding(head):
        return _named(head, "transfer-encoding")
    length = content_length(head)
    return [] if length is None else [("Content-Length", str(length))]


def _size_of_absent_body(head: ResponseHead) -> list[tuple[str, str]]:
    """In an answer to HEAD, and in a 304, the length is that of the body for a GET."""
    if head.status < 200 or head.status == 204:
        return []
    length = content_length(head)
    return [] if length is None else [("Content-Length", str(length))]


def _named(head: RequestHead | ResponseHead, name: str) -> list[tuple[str, str]]:
    return [(key, value) for key, value in head.headers if key.lower() == name]


def _via(head: RequestHead | ResponseHead) -> tuple[str, str]:
    return "Via", f"{head.version[0]}.{head.version[1]} {_NAME}"


def _with_options(headers: list[tuple[str, str]], options: list[str]) -> list[tuple[str, str]]:
    return [*headers, ("Connection", ", ".join(options))] if options else headers
