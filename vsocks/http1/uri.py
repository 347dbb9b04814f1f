"""The targets of requests to a proxy (RFC 9112, section 3.2)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from vsocks.address import Target, parse_host, parse_port, split_host_port
from vsocks.http1.errors import HttpError, show, show_authority

_HTTP_PORT: Final = 80
_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]*)://")
#: Up to the path, the query or the fragment.
_AUTHORITY: Final = re.compile(r"[^/?#]*")
_USER: Final = re.compile(r"[A-Za-z0-9\-._~!$&'()*+,;=:%]*")


@dataclass(frozen=True, slots=True)
class Resource:
    """The parts of an absolute URI."""

    #: Where the server is.
    target: Target
    #: The Host header that belongs to it.
    host: str
    #: What the server is asked for: path and query; empty if the URI ends with the authority.
    path: str


def parse_authority(text: str, default_port: int | None = None) -> Target:
    """The target of ``HOST:PORT``, as CONNECT has it; the port may be left out if one is given.

    Raises HttpError.
    """
    shown = show_authority(text)
    try:
        host, digits = split_host_port(text)
    except ValueError:
        raise HttpError(400, f"{shown} is not HOST:PORT") from None
    has_brackets = text.startswith("[")
    if ":" in host and not has_brackets:
        raise HttpError(400, f"{shown} is not HOST:PORT")
    port = _parse_port(digits, default_port, shown)
    what = "IPv6 address" if has_brackets else "host name"
    return Target(_parse_host(host, shown, what), port)


def _parse_port(digits: str | None, default_port: int | None, shown: str) -> int:
    # "HOST:" has the default port, too (RFC 3986, section 3.2.3).
    if not digits:
        if default_port is None:
            raise HttpError(400, f"{shown} has no port")
        return default_port
    try:
        return parse_port(digits)
    except ValueError:
        raise HttpError(400, f"{shown} has no port between 1 and 65535") from None


def _parse_host(host: str, shown: str, what: str) -> str:
    try:
        return parse_host(host)
    except ValueError:
        raise HttpError(400, f"{shown} is no {what}") from None


def is_absolute(target: str) -> bool:
    """Whether a request's target begins like a URI, of any scheme."""
    return _SCHEME.match(target) is not None


def parse_resource(uri: str) -> Resource:
    """The parts of an absolute ``http`` or ``ws`` URI. Raises HttpError, also for other schemes.

    User, password and fragment are dropped: they are not for the server.
    """
    scheme = _SCHEME.match(uri)
    if scheme is None:
        raise HttpError(400, "the target is no URI")
    match scheme[1].lower():
        case "http" | "ws":
            # A WebSocket begins as a request like any other (RFC 6455, section 4.1).
            pass
        case "https" | "wss":
            raise HttpError(400, f"{scheme[1]} goes through a proxy by CONNECT only")
        case other:
            raise HttpError(501, f"the scheme {show(other)} is not supported; CONNECT may do")
    authority = _AUTHORITY.match(uri, scheme.end())
    assert authority is not None
    user, _, host = authority[0].rpartition("@")
    if not _USER.fullmatch(user):
        raise HttpError(400, "the URI has a user or password with characters that may not be in it")
    target = parse_authority(host, _HTTP_PORT)
    path = uri[authority.end() :].partition("#")[0]
    if path.startswith("?"):
        path = "/" + path
    return Resource(target, host.removesuffix(":"), path)
