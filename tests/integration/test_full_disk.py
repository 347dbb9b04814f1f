"""A disk that is full for a while under a log or a trace: traffic goes on, and then so do they."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.integration.conftest import StartTarget
from tests.integration.support.behaviours import echo
from tests.integration.support.daemon import FAILURE, Daemon
from tests.integration.support.pair import ALLOW_LOOPBACK, LISTENING
from tests.integration.support.small_disk import fill, small_disk
from tests.integration.support.waiting import eventually
from tests.support import socks
from tests.support.socks_messages import Address, Reply

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

CONNECTIONS = 120
LOST = 40
"""Each leaves 70 bytes or more; a disk that is full has room for less than a page of 4096."""

each_daemon = pytest.mark.parametrize("subject", ["guest", "host"])


@each_daemon
def test_a_log_goes_on_when_there_is_room_again(
    tmp_path: Path, serve: StartTarget, subject: str
) -> None:
    target = serve(echo).address
    with small_disk(tmp_path / "disk") as disk:
        log, ballast = disk / "log", disk / "ballast"
        with both_daemons(tmp_path, {subject: log}, "-v") as proxy:
            fill(ballast)
            connect(proxy, target)
            ballast.unlink()
            connect(proxy, target, times=1)
            told = awaited(log, r"that could not be written: (\d+); the last one: No space left")
            assert int(told[1]) > LOST
            fill(ballast)
            connect(proxy, target)  # so that it ends while its log can't be written
        lines = log.read_text().splitlines()
        torn = [line for line in lines if not re.match(r"\d{4}-\d\d-\d\d \d\d:.* [A-Z]+ +\S", line)]
        assert len(torn) <= 2, torn


@each_daemon
def test_a_trace_goes_on_when_there_is_room_again(
    tmp_path: Path, serve: StartTarget, subject: str
) -> None:
    target, log = serve(echo).address, tmp_path / "log"
    with small_disk(tmp_path / "disk") as disk:
        trace, ballast = disk / "trace", disk / "ballast"
        with both_daemons(tmp_path, {subject: log}, "--trace", str(trace)) as proxy:
            fill(ballast)
            connect(proxy, target)
            awaited(log, "trace .* can't be written: No space left on device; lines lost so far")
            ballast.unlink()
            connect(proxy, target, times=1)
            told = awaited(trace, r" lost +No space left on device (\d+)\n")
            assert int(told[1]) > LOST
        assert not FAILURE.search(log.read_text())
        assert trace.read_text().endswith("\n")


@contextmanager
def both_daemons(folder: Path, logs: dict[str, Path], *options: str) -> Iterator[Address]:
    """Where the guest listens; who has a log named is the one that gets the options."""
    # None is refused because those before it are still being closed.
    streams = ("--max-streams", str(2 * CONNECTIONS + 10))
    channel = f"{folder}/channel"
    arguments = {
        "guest": ("--channel", f"unix-listen:{channel}", "--listen", "127.0.0.1:0", *streams),
        "host": ("--channel", f"unix:{channel}", *ALLOW_LOOPBACK, *streams),
    }

    def daemon(name: str) -> Daemon:
        log = logs.get(name, folder / f"{name}.stderr")
        words = (name, *arguments[name], *(options if name in logs else ()))
        into = ("sh", "-c", f'exec "$@" 2>{log}', "sh")
        return Daemon(words, folder / f"{name}.log", prefix=into)

    with daemon("guest"), daemon("host"):
        stderr = logs.get("guest", folder / "guest.stderr")
        port = int(awaited(stderr, LISTENING)[1])
        awaited(stderr, "session up")
        yield "127.0.0.1", port


def connect(proxy: Address, target: Address, *, times: int = CONNECTIONS) -> None:
    """Connections that work."""
    for _ in range(times):
        assert socks.ask(proxy, target) is Reply.SUCCEEDED


def awaited(log: Path, pattern: str) -> re.Match[str]:
    """The match, once the file has it."""

    def attempt() -> re.Match[str]:
        text = log.read_text(errors="replace") if log.exists() else ""
        match = re.search(pattern, text)
        assert match, f"no /{pattern}/ in {log}:\n{text[-2000:]}"
        return match

    return eventually(attempt)
