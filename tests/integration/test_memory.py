"""The daemons' memory is fixed: connections and bytes come and go, and leave nothing behind.

By default in a small form; with VSOCKS_FULL=1 in the full one.
"""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from tests.integration.conftest import StartPair, StartTarget
from tests.integration.support.behaviours import echo, sink, source
from tests.integration.support.daemon import Daemon
from tests.integration.support.memory import own_memory
from tests.integration.support.pair import ALLOW_LOOPBACK, NO_RATE, Pair
from tests.integration.support.targets import Target
from tests.integration.support.transfer import Received, receive_pattern, request, send_pattern
from tests.integration.support.waiting import DEADLINE
from tests.support import socks
from tests.support.receiving import receive_exactly
from tests.support.socks_messages import Address

FULL = os.environ.get("VSOCKS_FULL") == "1"
CONNECTIONS = 20_000 if FULL else 2_000
BULK = 2_000_000_000 if FULL else 256_000_000
ROUNDS = 4
WARM_UP = 1_000
WORKERS = 16
POOL = 64

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1200 if FULL else 120)]


@dataclass(frozen=True)
class Targets:
    """The servers that the load goes to."""

    echo: Target
    source: Target
    sink: Target

    def wait_idle(self) -> None:
        """Wait until nothing of the load is left."""
        for target in (self.echo, self.source, self.sink):
            target.wait_idle()


def _connections(proxy: Address, target: Target, count: int) -> None:
    """`count` short connections, a word each, WORKERS at once."""

    def one(number: int) -> None:
        word = number.to_bytes(8, "big")
        with socks.connect(proxy, target.address) as sock:
            sock.sendall(word)
            assert receive_exactly(sock, 8) == word

    with ThreadPoolExecutor(WORKERS) as pool:
        for _ in pool.map(one, range(count)):
            pass


def _bulk(proxy: Address, targets: Targets, size: int, streams: int) -> None:
    """`size` bytes, half of them down and half up, in `streams` streams at once."""
    each = size // streams

    def one(stream: int) -> None:
        if stream % 2:
            with socks.connect(proxy, targets.source.address) as sock:
                request(sock, stream, each)
                assert receive_pattern(sock, stream) == Received(stream, each, "eof")
        else:
            with socks.connect(proxy, targets.sink.address) as sock:
                request(sock, stream, each)
                send_pattern(sock, stream, each)

    with ThreadPoolExecutor(streams) as pool:
        for _ in pool.map(one, range(streams)):
            pass


def _warm_up(pair: Pair, targets: Targets) -> None:
    """Everything once: the whole pool at once, and some of each load."""
    together = threading.Barrier(POOL)

    def one(_: int) -> None:
        with socks.connect(pair.proxy, targets.echo.address) as sock:
            together.wait(DEADLINE)
            sock.sendall(b"hello" * 100_000)
            sock.shutdown(socket.SHUT_WR)
            assert len(receive_exactly(sock, 500_000)) == 500_000

    with ThreadPoolExecutor(POOL) as pool:
        list(pool.map(one, range(POOL)))
    _connections(pair.proxy, targets.echo, WARM_UP)
    _bulk(pair.proxy, targets, BULK // 10, 8)
    targets.wait_idle()


def _resident(daemon: Daemon) -> int:
    """Bytes of memory of its own that the process holds."""
    return own_memory(daemon.pid)


def _traced(daemon: Daemon) -> int:
    """Bytes of the Python heap, after a collection, as the daemon says on SIGUSR1."""
    since = len(daemon.lines)
    daemon.signal(signal.SIGUSR1)
    return int(daemon.wait_for_log(r"traced memory: (\d+) bytes", since=since)[1])


@pytest.mark.parametrize(
    ("what", "measure", "slack", "environment"),
    [
        pytest.param("resident", _resident, 3_000_000, {}, id="resident"),
        pytest.param("traced", _traced, 100_000, {"VSOCKS_TRACE_MEMORY": "1"}, id="traced-heap"),
    ],
)
def test_memory_is_flat(
    start_pair: StartPair,
    serve: StartTarget,
    capsys: pytest.CaptureFixture[str],
    what: str,
    measure: Callable[[Daemon], int],
    slack: int,
    environment: dict[str, str],
) -> None:
    pair = start_pair(environment=environment, host_options=(*ALLOW_LOOPBACK, *NO_RATE))
    targets = Targets(serve(echo), serve(source), serve(sink))
    _warm_up(pair, targets)
    samples = [(measure(pair.guest), measure(pair.host))]
    for _ in range(ROUNDS):
        _connections(pair.proxy, targets.echo, CONNECTIONS // ROUNDS)
        _bulk(pair.proxy, targets, BULK // ROUNDS, 8)
        targets.wait_idle()
        samples.append((measure(pair.guest), measure(pair.host)))
    with capsys.disabled():
        print(f"\n{what} memory over {CONNECTIONS} connections and {BULK / 1e6:.0f} MB, in kB:")
        for name, row in zip(("guest", "host"), zip(*samples, strict=True), strict=True):
            print(f"  {name:5} " + " ".join(f"{size / 1000:9.1f}" for size in row))
    growth = [last - first for first, last in zip(samples[0], samples[-1], strict=True)]
    assert max(growth) < slack, f"(guest, host) grew by {growth} bytes"
