"""Those who say nothing, or not all, keep nobody out who knows what he wants."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from tests.integration.conftest import StartPair, StartTarget
from tests.integration.support.behaviours import echo
from tests.support import socks
from tests.support.receiving import receive_exactly
from tests.support.socks_messages import Address, Reply, encode_request

pytestmark = [pytest.mark.integration, pytest.mark.timeout(60)]

#: More than the guest takes: its streams, and 64 clients that are still to say what they want.
CROWD = 140
#: A stream for each of those who are served, for one isn't free as soon as its client has left.
PATIENT = ("--max-streams", "32", "--handshake-timeout", "1000")


@contextmanager
def crowd(proxy: Address, says: bytes) -> Iterator[list[socket.socket]]:
    """Many who have come, and have said that much."""
    with ExitStack() as stack:
        many = []
        for _ in range(CROWD):
            client = stack.enter_context(socks.dial(proxy))
            client.sendall(says)
            many.append(client)
        yield many


@pytest.mark.parametrize(
    "says", [b"", b"\x05", b"\x05\x01\x00", b"GET http://"], ids=["nothing", "byte", "hello", "GET"]
)
def test_a_crowd_that_waits_keeps_nobody_out(
    start_pair: StartPair, serve: StartTarget, says: bytes
) -> None:
    pair = start_pair(guest_options=PATIENT)
    target = serve(echo)
    with socks.connect(pair.proxy, target.address) as before, crowd(pair.proxy, says):
        for _ in range(20):
            assert socks.ask(pair.proxy, target.address) == Reply.SUCCEEDED
        before.sendall(b"still here")
        assert receive_exactly(before, 10) == b"still here"


def test_who_has_said_nothing_goes_before_who_has_begun(
    start_pair: StartPair, serve: StartTarget
) -> None:
    pair = start_pair(guest_options=PATIENT)
    target = serve(echo)
    with socks.dial(pair.proxy) as begun:
        socks.greet(begun)
        with crowd(pair.proxy, b""):
            begun.sendall(encode_request(target.address))
            assert receive_exactly(begun, 2) == b"\x05\x00"


def test_the_first_byte_has_less_time_than_the_rest(start_pair: StartPair) -> None:
    pair = start_pair(guest_options=PATIENT)
    with socks.dial(pair.proxy) as begun, socks.dial(pair.proxy) as silent:
        socks.greet(begun)
        assert silent.recv(1) == b""
        begun.setblocking(False)
        with pytest.raises(BlockingIOError):
            begun.recv(1)
