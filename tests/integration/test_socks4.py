"""SOCKS4 and 4a, byte by byte."""

from __future__ import annotations

import socket
import struct

import pytest

from tests.integration.conftest import StartPair, StartTarget
from tests.integration.support.behaviours import echo
from tests.integration.support.pair import ALLOW_LOOPBACK, Pair
from tests.integration.support.targets import closed_port
from tests.support import socks
from tests.support.receiving import receive_all, receive_exactly
from tests.support.socks_messages import Address

pytestmark = [pytest.mark.integration, pytest.mark.timeout(60)]

GRANTED, REJECTED, WRONG_USER = 90, 91, 93


def encode(target: Address, *, user: bytes = b"", command: int = 1) -> bytes:
    """A request of SOCKS4, or of 4a if the target is a name."""
    host, port = target
    try:
        ip, name = socket.inet_aton(host), b""
    except OSError:
        ip, name = bytes((0, 0, 0, 1)), host.encode() + b"\0"
    return struct.pack(">BBH4s", 4, command, port, ip) + user + b"\0" + name


def read_code(client: socket.socket) -> int:
    """The code of the reply."""
    return receive_exactly(client, 8)[1]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
@pytest.mark.parametrize("user", [b"", b"somebody", b"\xff" * 255])
def test_a_connection(pair: Pair, serve: StartTarget, host: str, user: bytes) -> None:
    target = serve(echo)
    with socks.dial(pair.proxy) as client:
        client.sendall(encode((host, target.port), user=user) + b"with the request ")
        assert read_code(client) == GRANTED
        client.sendall(b"and after")
        client.shutdown(socket.SHUT_WR)
        assert receive_all(client) == b"with the request and after"


def test_the_request_may_trickle_in(pair: Pair, serve: StartTarget) -> None:
    target = serve(echo)
    with socks.dial(pair.proxy) as client:
        for byte in encode(("localhost", target.port), user=b"somebody") + b"hello":
            client.sendall(bytes((byte,)))
        assert read_code(client) == GRANTED
        assert receive_exactly(client, 5) == b"hello"


def test_what_can_not_be_is_91_and_the_end(start_pair: StartPair) -> None:
    pair = start_pair(host_options=(*ALLOW_LOOPBACK, "--deny", "*:25"))
    with closed_port() as refusing:
        for said in (
            encode(refusing),
            encode(("localhost", 25)),
            encode(("no-such-host.invalid", 80)),
            encode(("127.0.0.1", 80), command=3),
            encode(("a name that is none", 80)),
            encode(("x" * 300, 80)),
            encode(("127.0.0.1", 80), user=b"x" * 300),
        ):
            with socks.dial(pair.proxy) as client:
                client.sendall(said)
                assert (read_code(client), said) == (REJECTED, said)
                assert receive_all(client) == b""


def test_with_users_nobody_can_show_to_be_one(start_pair: StartPair, serve: StartTarget) -> None:
    pair = start_pair(guest_options=("--user", "alice:secret"))
    target = serve(echo)
    for user in b"", b"alice", b"alice:secret":
        with socks.dial(pair.proxy) as client:
            client.sendall(encode(target.address, user=user))
            assert read_code(client) == WRONG_USER
            assert receive_all(client) == b""
    assert target.accepted() == 0


def test_without_a_session_it_is_91(start_pair: StartPair) -> None:
    pair = start_pair(start=False)
    pair.start_guest()
    with socks.dial(pair.proxy) as client:
        client.sendall(encode(("127.0.0.1", 80)))
        assert read_code(client) == REJECTED
