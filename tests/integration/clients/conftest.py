"""What the tests with other people's clients share: programs, web servers, names."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

import pytest
from hypercorn.typing import ASGIFramework

from tests.integration.clients.support.certificate import Certificate
from tests.integration.clients.support.command import Programs
from tests.integration.clients.support.web import WebServer
from tests.integration.conftest import StartPair
from tests.integration.support.pair import ALLOW_LOOPBACK, Pair


class StartWebServer(Protocol):
    """Serve an application on a port of 127.0.0.1, with TLS if there is a certificate."""

    def __call__(
        self, application: ASGIFramework, certificate: Certificate | None = ...
    ) -> WebServer: ...


@pytest.fixture
def pair(start_pair: StartPair) -> Pair:
    """A guest and a host in session, with loopback targets allowed; the host logs each target."""
    return start_pair(host_options=(*ALLOW_LOOPBACK, "-v"))


@pytest.fixture
def programs(tmp_path: Path) -> Programs:
    """Runs programs with deadlines; their output is kept beside the daemons' logs."""
    return Programs(tmp_path)


@pytest.fixture
def start_web_server() -> Iterator[StartWebServer]:
    """Web servers, stopped after the test."""
    with ExitStack() as stack:

        def start(application: ASGIFramework, certificate: Certificate | None = None) -> WebServer:
            return stack.enter_context(WebServer(application, certificate))

        yield start
