"""Machines of one host daemon beside each other: one that floods, and two hundred that idle."""

from __future__ import annotations

import socket
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil
import pytest

from tests.integration.conftest import StartTarget
from tests.integration.support.behaviours import echo, source
from tests.integration.support.flooder import Batch, Flooder, damaged, pings
from tests.integration.support.idle_guests import IdleGuests
from tests.integration.support.rack import Rack
from tests.integration.support.transfer import ENDLESS, request
from tests.integration.support.waiting import DEADLINE
from tests.support.receiving import receive_exactly
from vsocks.protocol.handshake import Role

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

ECHOES = 200
DOWNLOADS = 8
MACHINES = 200
MOST_MEMORY = 250 * 1000 * 1000
#: Seconds in which the processor's time is looked at; nothing depends on what comes of it.
LOOK = 5.0
PATIENCE = 120.0


@pytest.fixture
def rack(tmp_path: Path) -> Iterator[Rack]:
    with ExitStack() as stack:
        yield Rack(tmp_path, stack)


def median_echo(sock: socket.socket) -> float:
    """The median of the seconds that an echo takes; each must come, and be right."""
    taken = []
    for number in range(ECHOES):
        text = number.to_bytes(64, "big")
        began = time.perf_counter()
        sock.sendall(text)
        assert receive_exactly(sock, len(text)) == text
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)


@contextmanager
def flood_of_messages(rack: Rack, batch: Batch) -> Iterator[None]:
    """Machine a is a peer that sends the same message as fast as it can."""
    with socket.socket(socket.AF_UNIX) as channel:
        channel.settimeout(DEADLINE)
        channel.connect(str(rack.folder / "a"))
        with Flooder(Role.GUEST, channel) as flooder:
            flooder.begin(batch)
            yield


@contextmanager
def downloads(rack: Rack, target: tuple[str, int]) -> Iterator[None]:
    """Machine a has a guest daemon that downloads by several connections, without an end."""
    rack.start_guest("a")
    with ExitStack() as stack:
        threads = []
        for number in range(DOWNLOADS):
            sock = stack.enter_context(rack.connect("a", target))
            request(sock, number, ENDLESS)
            receive_exactly(sock, 1_000_000)
            threads.append(threading.Thread(target=read_on, args=(sock,), daemon=True))
            threads[-1].start()
        yield
        for thread in threads:
            assert thread.is_alive(), "a download has ended"


def read_on(sock: socket.socket) -> None:
    """Until the socket is closed, or falls silent."""
    buffer = bytearray(1 << 20)
    try:
        while sock.recv_into(buffer):
            pass
    except OSError:
        return


@pytest.mark.parametrize("flood", [pings, damaged, None], ids=["pings", "damaged", "downloads"])
def test_echoes_of_one_machine_beside_a_flood_of_another(
    rack: Rack, serve: StartTarget, flood: Batch | None
) -> None:
    target = serve(echo)
    rack.write("a", "b")
    host = rack.start_host()
    rack.start_guest("b")
    with rack.connect("b", target.address) as sock:
        sock.settimeout(DEADLINE)
        alone = median_echo(sock)
        beside = (
            flood_of_messages(rack, flood)
            if flood is not None
            else downloads(rack, serve(source).address)
        )
        with beside:
            flooded = median_echo(sock)
            with rack.connect("b", target.address) as another:
                another.settimeout(DEADLINE)
                median_echo(another)
    print(f"echo: {alone * 1e3:.2f} ms alone, {flooded * 1e3:.2f} beside: {flooded / alone:.1f}")
    assert not [line for line in host.lines if " b: session lost" in line]


def test_two_hundred_machines_that_idle(rack: Rack) -> None:
    names = [f"m{number}" for number in range(MACHINES)]
    rack.write(*names)
    host = rack.start_host()
    # They are served in their order.
    host.wait_for_log(f" {names[-1]}: waiting for the channel", deadline=PATIENCE)
    with IdleGuests() as guests:
        guests.connect([rack.folder / name for name in names], PATIENCE)
        process = psutil.Process(host.pid)
        before, began = process.cpu_times(), time.monotonic()
        # What is looked at is a time in which nothing happens.
        time.sleep(LOOK)
        after, seconds = process.cpu_times(), time.monotonic() - began
        memory = process.memory_info().rss
        share = (after.user + after.system - before.user - before.system) / seconds
        print(f"{MACHINES} idle machines: {memory / 1e6:.0f} MB, {share:.2%} of a processor")
        assert memory < MOST_MEMORY
        assert not guests.lost
        up = [line for line in host.lines if ": session up" in line]
        lost = [line for line in host.lines if ": session lost" in line]
        assert (len(up), lost) == (MACHINES, [])
