"""Git's own server for HTTP (`git http-backend`, a CGI program) behind Hypercorn."""

from __future__ import annotations

import asyncio
import os
from email.parser import BytesHeaderParser
from pathlib import Path

from hypercorn.typing import ASGIReceiveCallable, ASGISendCallable, HTTPScope, Scope

from tests.integration.clients.support.site import body_of
from tests.integration.support.waiting import DEADLINE


class GitServer:
    """The application, for `WebServer`: whoever asks may clone and push what is in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        #: The ways in which bodies came: "chunked", or "".
        self.codings: list[str] = []

    async def __call__(
        self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable
    ) -> None:
        """One request."""
        if scope["type"] != "http":
            return  # the server can do without "lifespan"
        body = b"".join([part async for part in body_of(receive)])
        head, answer = await self._run(scope, body)
        headers = BytesHeaderParser().parsebytes(head)
        status = int(headers.get("Status", "200").split()[0])
        fields = [
            (name.lower().encode(), value.encode())
            for name, value in headers.items()
            if name != "Status"
        ]
        await send({"type": "http.response.start", "status": status, "headers": fields})
        await send({"type": "http.response.body", "body": answer, "more_body": False})

    async def _run(self, scope: HTTPScope, body: bytes) -> tuple[bytes, bytes]:
        process = await asyncio.create_subprocess_exec(
            *("git", "http-backend"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, **self._variables(scope, len(body))},
        )
        try:
            async with asyncio.timeout(DEADLINE):
                output, _ = await process.communicate(body)
        except TimeoutError:
            process.kill()
            raise
        head, _, answer = output.partition(b"\r\n\r\n")
        return head, answer

    def _variables(self, scope: HTTPScope, length: int) -> dict[str, str]:
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        if scope["method"] == "POST":
            self.codings.append(headers.get("transfer-encoding", ""))
        return {
            "GIT_PROJECT_ROOT": str(self._folder),
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_PROTOCOL": headers.get("git-protocol", ""),
            "REMOTE_USER": "somebody",
            "REMOTE_ADDR": "127.0.0.1",
            "REQUEST_METHOD": scope["method"],
            "PATH_INFO": scope["path"],
            "QUERY_STRING": scope["query_string"].decode(),
            "CONTENT_TYPE": headers.get("content-type", ""),
            "CONTENT_LENGTH": str(length),
            "HTTP_CONTENT_ENCODING": headers.get("content-encoding", ""),
        }
