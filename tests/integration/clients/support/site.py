"""A web site on loopback that remembers what it was asked, and how."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from hypercorn.typing import (
    ASGIReceiveCallable,
    ASGISendCallable,
    HTTPResponseBodyEvent,
    HTTPResponseStartEvent,
    HTTPScope,
    Scope,
)

from tests.support.pattern import BLOCK, pattern


@dataclass(frozen=True)
class Asked:
    """A request as it came to the site."""

    method: str
    path: str
    headers: Mapping[str, str]
    #: "1.1" or "2".
    version: str
    #: Whose connection it came on.
    client: tuple[str, int]


@dataclass
class Site:
    """The application, for `WebServer`.

    GET of a path in `pages` (a type and a body) gives it, /pattern/STREAM/LENGTH a
    self-verifying file (`file_digest` knows its SHA-256), /chunked/STREAM/LENGTH the same
    without its length said before. Whatever else has a body is answered with its SHA-256.
    """

    pages: Mapping[str, tuple[str, bytes]] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)

    async def __call__(
        self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable
    ) -> None:
        """One request."""
        if scope["type"] != "http":
            return  # the server can do without "lifespan"
        self._remember(scope)
        if scope["method"] == "GET":
            await self._get(scope["path"], send)
        else:
            body = await _digest(receive)
            await answer(send, 200, "text/plain", body.encode())

    def _remember(self, scope: HTTPScope) -> None:
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        address, port = scope["client"] or ("", 0)
        path = scope["raw_path"].decode()
        version = scope["http_version"]
        self.asked.append(Asked(scope["method"], path, headers, version, (address, port or 0)))

    async def _get(self, path: str, send: ASGISendCallable) -> None:
        match path.split("/"):
            case ["", "pattern" | "chunked" as how, stream, length]:
                await _send_pattern(send, int(stream), int(length), how == "pattern")
            case _ if path in self.pages:
                kind, body = self.pages[path]
                await answer(send, 200, kind, body)
            case _:
                await answer(send, 404, "text/plain", b"no such page\n")


async def body_of(receive: ASGIReceiveCallable) -> AsyncIterator[bytes]:
    """The parts of a request's body."""
    while True:
        event: Any = await receive()
        if event["type"] != "http.request":
            raise ConnectionResetError("the client left within its request's body")
        yield event["body"]
        if not event["more_body"]:
            return


async def answer(send: ASGISendCallable, status: int, kind: str, body: bytes) -> None:
    """A whole answer."""
    await send(_start(status, kind, len(body)))
    await send(_part(body, more=False))


async def _digest(receive: ASGIReceiveCallable) -> str:
    digest = hashlib.sha256()
    async for part in body_of(receive):
        digest.update(part)
    return digest.hexdigest()


async def _send_pattern(
    send: ASGISendCallable, stream: int, length: int, with_length: bool
) -> None:
    await send(_start(200, "application/octet-stream", length if with_length else None))
    for offset in range(0, length, BLOCK):
        block = pattern(stream, offset, min(BLOCK, length - offset))
        await send(_part(block, more=True))
    await send(_part(b"", more=False))


def _start(status: int, kind: str, length: int | None) -> HTTPResponseStartEvent:
    headers = [(b"content-type", kind.encode())]
    if length is not None:
        headers.append((b"content-length", b"%d" % length))
    return {"type": "http.response.start", "status": status, "headers": headers}


def _part(body: bytes, *, more: bool) -> HTTPResponseBodyEvent:
    return {"type": "http.response.body", "body": body, "more_body": more}
