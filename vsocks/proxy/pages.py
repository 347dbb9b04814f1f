"""Whole responses whose pages say what went wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from vsocks.errors import printable
from vsocks.http1.head import encode_head
from vsocks.reply import Reply

if TYPE_CHECKING:
    from vsocks.http1.exchange import Exchange

_HTML: Final = "text/html; charset=utf-8"
_STYLE: Final = (
    "body{font:1em/1.5 sans-serif;max-width:40em;margin:3em auto;padding:0 1em}"
    "body.wide{max-width:80em}table{text-align:left;border-spacing:1em 0;margin-left:-1em}"
    "td,th{vertical-align:top;overflow-wrap:anywhere}"
)
_CSP: Final = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


@dataclass(frozen=True, slots=True)
class _Failure:
    """What a status means here: its reason phrase, what happened, and what to do about it."""

    phrase: str
    happened: str
    advice: str


_FAILURES: Final = {
    400: _Failure(
        "Bad Request",
        "The proxy can't make sense of the request.",
        "The program that sent it may be at fault, or may not know that it speaks to a proxy.",
    ),
    403: _Failure(
        "Forbidden",
        "The policy of the host does not allow this target.",
        "Whoever runs the host can allow it there.",
    ),
    404: _Failure(
        "Not Found",
        "The proxy has no such page.",
        "What it has: / and /status.json show how it is, and /proxy.pac sets up a browser.",
    ),
    405: _Failure(
        "Method Not Allowed",
        "The proxy's own pages can only be read.",
        "Requests for a server begin with its whole address, http://…",
    ),
    407: _Failure(
        "Proxy Authentication Required",
        "The proxy wants to know who you are.",
        "Give your program the name and password for the proxy.",
    ),
    408: _Failure(
        "Request Timeout", "The request did not come in time.", "Send it again, without a pause."
    ),
    431: _Failure(
        "Request Header Fields Too Large",
        "The head of the request is larger than the proxy takes.",
        "Delete the cookies of the site, or let the proxy take more (--max-header-size).",
    ),
    501: _Failure(
        "Not Implemented",
        "The request asks for something that the proxy doesn't know.",
        "Other protocols than HTTP can pass by CONNECT or SOCKS.",
    ),
    502: _Failure(
        "Bad Gateway",
        "The server can't be reached, or has not given a proper answer.",
        "Look at the address, and whether the server runs.",
    ),
    503: _Failure(
        "Service Unavailable",
        "The proxy can't serve another connection now.",
        "Try again in a moment. The page / of the proxy shows how it is.",
    ),
    504: _Failure(
        "Gateway Timeout",
        "The server has not answered in time.",
        "Look at the address, and whether a firewall is in the way.",
    ),
    505: _Failure(
        "HTTP Version Not Supported",
        "The proxy speaks HTTP/1.1 only.",
        "HTTP/2 can pass by CONNECT.",
    ),
}
#: What some statuses have to say in a header.
_HEADERS: Final = {
    405: [("Allow", "GET, HEAD")],
    407: [("Proxy-Authenticate", 'Basic realm="vsocks", charset="UTF-8"')],
}

_STATUS_BY_REPLY: Final[dict[int, int]] = {
    Reply.NOT_ALLOWED: 403,
    Reply.TTL_EXPIRED: 504,
    Reply.COMMAND_NOT_SUPPORTED: 501,
}


def status_for(reply: int) -> int:
    """The HTTP status that corresponds to ``reply``, a refusal of RFC 1928."""
    return _STATUS_BY_REPLY.get(reply, 502)


def failure_page(status: int, reason: str = "", *, method: str = "GET") -> bytes:
    """The response that says why a request with ``method`` failed; the last on its connection.

    ``reason`` gives the details, in any characters. Statuses without a page become 502.
    """
    status = status if status in _FAILURES else 502
    failure = _FAILURES[status]
    paragraphs = [failure.happened, reason, failure.advice]
    body = "".join(f"<p>{escape(text)}</p>\n" for text in paragraphs if text)
    return respond(
        html(f"{status} {failure.phrase}", body),
        status=f"{status} {failure.phrase}",
        headers=_HEADERS.get(status, []),
        method=method,
    )


def html(title: str, body: str, *, wide: bool = False) -> bytes:
    """A small page; ``title`` is text, ``body`` is HTML, ``wide`` is for tables."""
    body_tag = '<body class="wide">' if wide else "<body>"
    page = (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style></head>\n"
        f"{body_tag}<h1>{escape(title)}</h1>\n{body}<hr><p>vsocks</p></body></html>\n"
    )
    return page.encode()


def escape(text: str) -> str:
    """``text`` as HTML, with "?" for unprintable characters."""
    shown = printable(text)
    for character, entity in ("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;"):
        shown = shown.replace(character, entity)
    return shown


def respond(
    body: bytes,
    content_type: str = _HTML,
    *,
    status: str = "200 OK",
    headers: list[tuple[str, str]] | None = None,
    method: str = "GET",
) -> bytes:
    """A whole response, the last on its connection, which must not be cached."""
    head = encode_head(
        f"HTTP/1.1 {status}",
        [
            *(headers or []),
            ("Content-Type", content_type),
            ("Content-Length", str(len(body))),
            ("Cache-Control", "no-store"),
            # No script of another site's page, and none in ours.
            ("X-Content-Type-Options", "nosniff"),
            ("Content-Security-Policy", _CSP),
            ("Connection", "close"),
        ],
    )
    return head if method == "HEAD" else head + body


def exchange_failure(exchange: Exchange, status: int, reason: str) -> bytes:
    """The page that tells the client what went wrong; the last response on its connection.

    Empty if part of a response has been passed on. Then reset the client's connection: after an
    orderly end it might take what it has for the whole.
    """
    if exchange.is_answered:
        return b""
    return failure_page(status, reason, method=exchange.method)
