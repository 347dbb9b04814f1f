"""As many streams at once as were promised, none more, and a slot is never lost."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from tests.integration.conftest import StartPair, StartTarget
from tests.integration.support.behaviours import (
    Holder,
    answer_after_eof,
    echo,
    end_first,
    sink,
    source,
)
from tests.integration.support.pair import ALLOW_LOOPBACK, Pair
from tests.integration.support.targets import Target, silent_port
from tests.integration.support.transfer import (
    ENDLESS,
    Received,
    receive_pattern,
    request,
    reset,
    send_pattern,
)
from tests.integration.support.waiting import eventually
from tests.support import socks
from tests.support.pattern import pattern
from tests.support.receiving import receive_all, receive_exactly
from tests.support.socks_messages import RefusedError, Reply, encode_request

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

STREAMS = 64
SIZE = 1_000_003
AT_ONCE = 5.0
"""A refusal that takes longer was no refusal at once, but somebody's timeout."""


def _served(pair: Pair, target: Target) -> socket.socket:
    """A connection, as soon as there is a slot for it."""

    def attempt() -> socket.socket:
        try:
            return socks.connect(pair.proxy, target.address, deadline=AT_ONCE)
        except RefusedError as error:
            raise AssertionError(f"still refused: {error}") from error

    return eventually(attempt)


@pytest.fixture
def open_streams() -> Iterator[ExitStack]:
    """Owns the sockets that a test leaves open."""
    with ExitStack() as stack:
        yield stack


def _both_ways(sock: socket.socket, stream: int) -> Received:
    """Get a stream from `end_first`, then send it as much, and end."""
    request(sock, stream, SIZE)
    received = receive_pattern(sock, stream)
    send_pattern(sock, stream, SIZE)
    sock.shutdown(socket.SHUT_WR)
    return received


def test_64_streams_at_once_and_no_65th(
    pair: Pair, serve: StartTarget, open_streams: ExitStack
) -> None:
    target = serve(end_first)
    socks_ = [
        open_streams.enter_context(socks.connect(pair.proxy, target.address))
        for _ in range(STREAMS)
    ]
    refused = [socks.ask(pair.proxy, target.address, deadline=AT_ONCE) for _ in range(3)]
    assert refused == [Reply.GENERAL_FAILURE] * 3

    with ThreadPoolExecutor(STREAMS) as pool:
        received = list(pool.map(_both_ways, socks_, range(STREAMS)))
    assert received == [Received(stream, SIZE, "eof") for stream in range(STREAMS)]
    sent = sorted((target.outcome() for _ in range(STREAMS)), key=lambda end: end.stream)
    assert sent == received


def test_a_freed_slot_serves_again(pair: Pair, serve: StartTarget, open_streams: ExitStack) -> None:
    target = serve(echo)
    taken = [
        open_streams.enter_context(socks.connect(pair.proxy, target.address))
        for _ in range(STREAMS)
    ]
    for sock in taken[:3]:
        assert socks.ask(pair.proxy, target.address, deadline=AT_ONCE) == Reply.GENERAL_FAILURE
        sock.close()
        again = open_streams.enter_context(_served(pair, target))
        again.sendall(b"hello")
        assert receive_exactly(again, 5) == b"hello"


def test_max_streams_is_an_option(start_pair: StartPair, serve: StartTarget) -> None:
    pair = start_pair(guest_options=("--max-streams", "2"))
    target = serve(echo)
    with _served(pair, target), _served(pair, target):
        assert socks.ask(pair.proxy, target.address, deadline=AT_ONCE) == Reply.GENERAL_FAILURE


def test_no_way_to_end_a_connection_loses_a_slot(start_pair: StartPair, serve: StartTarget) -> None:
    pair = start_pair(guest_options=("--max-streams", "2"))
    hashing, ending, sinking = serve(answer_after_eof), serve(end_first), serve(sink)
    data = pattern(1, 0, 100_000)
    for _ in range(40):
        with _served(pair, hashing) as sock:  # the client ends first
            sock.sendall(data)
            sock.shutdown(socket.SHUT_WR)
            assert len(receive_all(sock)) == 32
        with _served(pair, ending) as sock:  # the target ends first
            request(sock, 2, 100_000)
            assert receive_pattern(sock, 2).count == 100_000
        reset(_served(pair, sinking))  # the client resets, having said nothing
        with _served(pair, ending) as sock:  # the client leaves with data under way
            request(sock, 3, 10_000_000)
            receive_exactly(sock, 1000)


def test_a_client_that_leaves_while_dialling_frees_its_slot(
    start_pair: StartPair, serve: StartTarget
) -> None:
    pair = start_pair(
        guest_options=("--max-streams", "1"),
        host_options=(*ALLOW_LOOPBACK, "--dial-timeout", "120"),
    )
    target = serve(echo)
    with silent_port() as silent:
        with socks.dial(pair.proxy) as sock:
            socks.greet(sock)
            sock.sendall(encode_request(silent))
            full = socks.ask(pair.proxy, target.address, deadline=AT_ONCE)
            assert full == Reply.GENERAL_FAILURE, "the dialling client has the only slot"
        _served(pair, target).close()


def test_who_has_left_goes_when_another_wants_the_last_stream(
    start_pair: StartPair, serve: StartTarget
) -> None:
    """It has ended its side, and its server takes no notice."""
    pair = start_pair(guest_options=("--max-streams", "1"))
    holder = Holder()
    silent, target = serve(holder), serve(echo)
    with socks.connect(pair.proxy, silent.address) as sock:
        assert socks.ask(pair.proxy, target.address, deadline=AT_ONCE) == Reply.GENERAL_FAILURE
        sock.shutdown(socket.SHUT_WR)
        _served(pair, target).close()
        with pytest.raises(ConnectionResetError):
            receive_all(sock)
    holder.go.set()


def test_who_has_ended_and_is_still_sent_something_stays(
    start_pair: StartPair, serve: StartTarget
) -> None:
    pair = start_pair(guest_options=("--max-streams", "1"))
    target, other = serve(source), serve(echo)
    with socks.connect(pair.proxy, target.address) as sock:
        request(sock, 1, ENDLESS)
        sock.shutdown(socket.SHUT_WR)
        receive_exactly(sock, SIZE)
        assert socks.ask(pair.proxy, other.address, deadline=AT_ONCE) == Reply.GENERAL_FAILURE
        receive_exactly(sock, SIZE)


def test_a_half_closed_stream_in_silence_is_closed_after_a_time(
    start_pair: StartPair, serve: StartTarget
) -> None:
    pair = start_pair(
        guest_options=("--max-streams", "1", "--half-close-timeout", "1"),
        host_options=(*ALLOW_LOOPBACK, "--half-close-timeout", "1"),
    )
    holder = Holder()
    silent, target = serve(holder), serve(echo)
    with socks.connect(pair.proxy, silent.address) as sock:
        sock.shutdown(socket.SHUT_WR)
        with pytest.raises(ConnectionResetError):
            receive_all(sock)
        _served(pair, target).close()
    holder.go.set()
