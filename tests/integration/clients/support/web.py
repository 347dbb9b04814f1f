"""A web server for HTTP/1.1 and HTTP/2, with and without TLS: Hypercorn, in a thread."""

from __future__ import annotations

import asyncio
import socket
import threading
from types import TracebackType
from typing import Self

from hypercorn.asyncio import serve
from hypercorn.config import Config
from hypercorn.typing import ASGIFramework

from tests.integration.clients.support.certificate import Certificate
from tests.integration.support.waiting import DEADLINE


class WebServer:
    """Serves `application` on a port of 127.0.0.1 from entering the context to leaving it."""

    def __init__(self, application: ASGIFramework, certificate: Certificate | None = None) -> None:
        self._application = application
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port: int = self._listener.getsockname()[1]
        self._config = Config()
        self._config.bind = [f"fd://{self._listener.detach()}"]
        self._config.graceful_timeout = 0.1
        self._config.errorlog = None
        if certificate:
            self._config.certfile = str(certificate.certificate)
            self._config.keyfile = str(certificate.key)
        self._loop = asyncio.new_event_loop()
        self._end = asyncio.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(serve(self._application, self._config, shutdown_trigger=self._end.wait))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(DEADLINE)
        assert not self._thread.is_alive(), f"the web server had not ended after {DEADLINE} s"
