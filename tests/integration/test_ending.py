"""How a stream ends: half by half, after its last byte, and never cleanly if it was cut."""

from __future__ import annotations

import hashlib
import socket
import threading

import pytest

from tests.integration.conftest import StartTarget
from tests.integration.support.behaviours import (
    Holder,
    answer_after_eof,
    count_to_end,
    end_first,
    reset_on_demand,
    sink,
    source,
)
from tests.integration.support.pair import Pair
from tests.integration.support.transfer import (
    ENDLESS,
    Received,
    receive_pattern,
    request,
    reset,
    send_pattern,
)
from tests.integration.support.waiting import DEADLINE
from tests.support import socks
from tests.support.pattern import pattern
from tests.support.receiving import receive_all, receive_exactly

pytestmark = [pytest.mark.integration, pytest.mark.timeout(60)]

SIZES = [0, 1, 4095, 4096, 65_535, 65_536, 65_537, 262_144, 3_000_001]


def test_an_answer_that_comes_only_after_the_clients_end(pair: Pair, serve: StartTarget) -> None:
    target = serve(answer_after_eof)
    for size in SIZES:
        data = pattern(size, 0, size)
        with socks.connect(pair.proxy, target.address) as sock:
            sock.sendall(data)
            sock.shutdown(socket.SHUT_WR)
            assert receive_all(sock) == hashlib.sha256(data).digest()


@pytest.mark.parametrize("size", SIZES)
def test_a_client_that_sends_on_after_the_targets_end(
    pair: Pair, serve: StartTarget, size: int
) -> None:
    target = serve(end_first)
    with socks.connect(pair.proxy, target.address) as sock:
        request(sock, 5, size)
        assert receive_pattern(sock, 5) == Received(5, size, "eof")
        send_pattern(sock, 5, 5_000_000)
    assert target.outcome() == Received(5, 5_000_000, "eof")


def test_the_tail_of_a_download_arrives_before_its_end(pair: Pair, serve: StartTarget) -> None:
    target = serve(source)  # closes right behind the last byte
    for stream, size in enumerate(SIZES * 5):
        with socks.connect(pair.proxy, target.address) as sock:
            request(sock, stream, size)
            assert receive_pattern(sock, stream) == Received(stream, size, "eof")


def test_the_tail_of_an_upload_arrives_before_its_end(pair: Pair, serve: StartTarget) -> None:
    target = serve(sink)
    for stream, size in enumerate(SIZES * 5):
        with socks.connect(pair.proxy, target.address) as sock:
            request(sock, stream, size)
            send_pattern(sock, stream, size)
        assert target.outcome() == Received(stream, size, "eof")


def test_the_tail_arrives_though_the_target_is_long_gone(pair: Pair, serve: StartTarget) -> None:
    target = serve(source)
    size = 200_000  # little enough that it goes out of the target's hands with no reader
    with socks.connect(pair.proxy, target.address) as sock:
        request(sock, 9, size)
        assert target.wait_idle() == []
        assert receive_pattern(sock, 9) == Received(9, size, "eof")


@pytest.mark.parametrize("size", [0, 1000, 1_000_000])
def test_a_targets_reset_is_seen_as_a_reset(pair: Pair, serve: StartTarget, size: int) -> None:
    target = serve(reset_on_demand)
    with socks.connect(pair.proxy, target.address) as sock:
        request(sock, 6, size)
        assert receive_exactly(sock, size) == pattern(6, 0, size)
        sock.sendall(b"!")
        assert receive_pattern(sock, 6, start=size) == Received(6, size, "reset")


@pytest.mark.parametrize("size", [0, 1000, 1_000_000])
def test_a_clients_reset_is_seen_as_a_reset(pair: Pair, serve: StartTarget, size: int) -> None:
    arrived = threading.Event()

    def expect(connection: socket.socket) -> Received:
        assert receive_exactly(connection, size) == pattern(6, 0, size)
        arrived.set()
        return count_to_end(connection)

    target = serve(expect)
    sock = socks.connect(pair.proxy, target.address)
    sock.sendall(pattern(6, 0, size))
    assert arrived.wait(DEADLINE)
    reset(sock)
    assert target.outcome() == Received(0, 0, "reset")


def test_a_client_that_resets_an_upload_which_nobody_reads(pair: Pair, serve: StartTarget) -> None:
    """The reset must not queue behind data for which the target gives no room."""
    stalled = Holder()
    reached: list[socket.socket] = []

    def hold(connection: socket.socket) -> Received:
        reached.append(connection)
        stalled(connection)
        return count_to_end(connection)

    target = serve(hold)
    sock = socks.connect(pair.proxy, target.address, deadline=0.5)
    with pytest.raises(TimeoutError):
        send_pattern(sock, 1, ENDLESS)
    reset(sock)
    stalled.go.set()
    assert target.outcome().ending == "reset"


def test_a_target_that_resets_a_download_which_nobody_reads(pair: Pair, serve: StartTarget) -> None:
    def stuff_and_reset(connection: socket.socket) -> str:
        connection.settimeout(0.5)
        try:
            send_pattern(connection, 4, ENDLESS)
        except TimeoutError:
            reset(connection)
        return "stuffed"

    target = serve(stuff_and_reset)
    with socks.connect(pair.proxy, target.address) as sock:
        assert target.outcome() == "stuffed"
        assert receive_pattern(sock, 4).ending == "reset"


def test_a_client_that_is_gone_ends_the_targets_connection(pair: Pair, serve: StartTarget) -> None:
    target = serve(source)
    with socks.connect(pair.proxy, target.address) as sock:
        request(sock, 1, ENDLESS)
        receive_exactly(sock, 1_000_000)
    outcome = target.outcome()
    assert isinstance(outcome, ConnectionResetError | BrokenPipeError), outcome
