"""The metrics at an address of TCP, for Prometheus to come and read: GET /metrics, and no more."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Final

from vsocks.address import parse_ip
from vsocks.aio.listener import Listener, ServedByTask
from vsocks.http1.errors import HttpError
from vsocks.http1.reading import RequestReader
from vsocks.proxy.pages import failure_page, respond

if TYPE_CHECKING:
    import socket
    from collections.abc import AsyncGenerator, Callable

    from vsocks.http1.head import RequestHead

log = logging.getLogger(__name__)

#: Clients at once, and seconds that each may take.
MOST: Final = 16
PATIENCE: Final = 15.0
_READ: Final = 4096
_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


class MetricsListener(Listener):
    """Serves them."""

    def __init__(
        self, address: tuple[str, int], texts: Callable[[], AsyncGenerator[str, None]]
    ) -> None:
        """``texts`` gives the exposition in pieces."""
        super().__init__([address], self._begin, MOST)
        self._texts = texts

    def start(self) -> str:
        """Listen; returns where. Raises VsocksError if it can't."""
        where = super().start()
        log.info("metrics: http://%s/metrics", where)
        for host, _ in self.addresses:
            ip = parse_ip(host)
            if ip is None or not ip.is_loopback:
                log.warning("other machines can read the metrics at %s: nobody is asked who", host)
        return where

    def _begin(self, connection: socket.socket, gone: Callable[[], None]) -> ServedByTask:
        return ServedByTask(connection, self._answer, gone)

    async def _answer(self, connection: socket.socket) -> None:
        """One request, and its answer."""
        async with asyncio.timeout(PATIENCE):
            try:
                head = await _request(connection)
                page = await self._page(head)
            except HttpError as error:
                page = failure_page(error.status, error.reason)
            await asyncio.get_running_loop().sock_sendall(connection, page)

    async def _page(self, head: RequestHead) -> bytes:
        if head.method not in {"GET", "HEAD"}:
            raise HttpError(405, "they can be read only")
        if head.target.partition("?")[0] != "/metrics":
            raise HttpError(404, "the metrics are at /metrics")
        async with contextlib.aclosing(self._texts()) as texts:
            body = "".join([text async for text in texts])
        return respond(body.encode(), method=head.method, content_type=_TYPE)


async def _request(connection: socket.socket) -> RequestHead:
    """Raises HttpError, and OSError if the client has gone."""
    reader, loop = RequestReader(), asyncio.get_running_loop()
    while data := memoryview(await loop.sock_recv(connection, _READ)):
        while data:
            head, taken = reader.receive(data)
            if head is not None:
                return head
            data = data[taken:]
    raise ConnectionResetError("it has gone")
