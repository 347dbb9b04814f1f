"""What the integration tests share: pairs of daemons, targets, and logs kept on failure."""

from __future__ import annotations

import re
import shutil
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Protocol

import pytest

from tests.integration.support.layouts import LAYOUTS
from tests.integration.support.pair import ALLOW_LOOPBACK, Pair
from tests.integration.support.targets import Serve, Target

ARTIFACTS = Path(__file__).parents[1] / "artifacts" / "integration"
TAIL = 4000


class StartPair(Protocol):
    """Make a pair of daemons over the named layout; with `start`, wait for its session."""

    def __call__(
        self,
        layout: str = ...,
        *,
        guest_options: Sequence[str] = ...,
        host_options: Sequence[str] = ...,
        host_prefix: Sequence[str] = ...,
        environment: dict[str, str] | None = ...,
        start: bool = ...,
    ) -> Pair: ...


class StartTarget(Protocol):
    """Start a server on loopback that does `serve` with each connection."""

    def __call__(self, serve: Serve, host: str = ..., port: int = ...) -> Target: ...


@pytest.fixture
def start_pair(tmp_path: Path) -> Iterator[StartPair]:
    """Pairs of daemons; after the test each must end cleanly, with nothing ugly in its log."""
    with ExitStack() as stack:

        def start_pair(
            layout: str = "unix-guest-listens",
            *,
            guest_options: Sequence[str] = (),
            host_options: Sequence[str] = ALLOW_LOOPBACK,
            host_prefix: Sequence[str] = (),
            environment: dict[str, str] | None = None,
            start: bool = True,
        ) -> Pair:
            pair = Pair(
                stack.enter_context(LAYOUTS[layout](tmp_path)),
                tmp_path,
                guest_options=guest_options,
                host_options=host_options,
                host_prefix=host_prefix,
                environment=environment,
            )
            stack.enter_context(pair)
            return pair.start() if start else pair

        yield start_pair


@pytest.fixture
def pair(start_pair: StartPair) -> Pair:
    """A guest and a host over a unix socket, in session, with loopback targets allowed."""
    return start_pair()


@pytest.fixture
def serve() -> Iterator[StartTarget]:
    """Servers on loopback, stopped after the test."""
    with ExitStack() as stack:

        def start_target(serve: Serve, host: str = "127.0.0.1", port: int = 0) -> Target:
            return stack.enter_context(Target(serve, host, port))

        yield start_target


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Keep the logs of a test that failed, say where they are, and show their ends."""
    report = yield
    funcargs: dict[str, Any] = getattr(item, "funcargs", {})
    directory = funcargs.get("tmp_path")
    if report.failed and directory:
        kept = ARTIFACTS / re.sub(r"[^\w.-]+", "_", item.name)
        kept.mkdir(parents=True, exist_ok=True)
        for picture in directory.glob("*.png"):
            shutil.copy(picture, kept)
        for log in sorted(directory.glob("*.log")):
            shutil.copy(log, kept)
            text = log.read_text(errors="replace")
            report.sections.append((f"{kept / log.name}, its end", text[-TAIL:]))
    return report
