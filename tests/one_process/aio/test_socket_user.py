"""Whose a socket is, as the system tells it."""

from __future__ import annotations

import os
import socket
import sys

import pytest

from vsocks.aio.socket_user import users_of

pytestmark = [
    pytest.mark.one_process,
    pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells"),
]

ME = {os.getuid()} if sys.platform != "win32" else set()
NOBODY = 65534


def datagram_socket(address: str) -> socket.socket:
    sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind((address, 0))
    return sock


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_both_ends_of_a_connection(address: str) -> None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.create_server((address, 0), family=family) as server:
        client = socket.create_connection(server.getsockname()[:2])
        accepted, _ = server.accept()
        with client, accepted:
            ends = client.getsockname(), accepted.getsockname()
            assert users_of(socket.SOCK_STREAM, *ends) == ME
            assert users_of(socket.SOCK_STREAM, *reversed(ends)) == ME


def test_who_is_not_there_is_nobody() -> None:
    with datagram_socket("127.0.0.1") as ours:
        assert users_of(socket.SOCK_DGRAM, ("127.0.0.1", 1), ours.getsockname()) == set()


@pytest.mark.parametrize("bound", ["127.0.0.1", "0.0.0.0", "::", "::1", "::ffff:127.0.0.1"])
def test_a_datagram_socket_is_found_however_it_is_bound(bound: str) -> None:
    address = "::1" if bound == "::1" else "127.0.0.1"
    with datagram_socket(bound) as theirs, datagram_socket(address) as ours:
        port = theirs.getsockname()[1]
        there, here = (address, port), ours.getsockname()
        assert users_of(socket.SOCK_DGRAM, there, here) == ME
        is_mapped = theirs.family != ours.family
        theirs.connect((f"::ffff:{here[0]}" if is_mapped else here[0], here[1]))
        assert users_of(socket.SOCK_DGRAM, there, here) == ME
        if bound == "127.0.0.1":
            assert users_of(socket.SOCK_DGRAM, ("127.0.0.2", port), here) == set()


@pytest.mark.skipif(
    sys.platform == "win32" or os.geteuid() != 0, reason="only root can be another user for once"
)
@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
def test_another_users_socket_is_another_users(kind: socket.SocketKind) -> None:
    with socket.socket(socket.AF_INET, kind) as ours:
        ours.bind(("127.0.0.1", 0))
        if kind == socket.SOCK_STREAM:
            ours.listen()
        os.seteuid(NOBODY)
        try:
            theirs = socket.socket(socket.AF_INET, kind)
        finally:
            os.seteuid(0)
        with theirs:
            theirs.connect(ours.getsockname())
            assert users_of(kind, theirs.getsockname(), ours.getsockname()) == {NOBODY}


def test_it_does_not_matter_how_many_sockets_there_are() -> None:
    """Those of connections that are over stay for a minute, and are read by nobody."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        for _ in range(200):
            with socket.create_connection(server.getsockname()):
                server.accept()[0].close()
        with socket.create_connection(server.getsockname()) as client:
            accepted, _ = server.accept()
            with accepted:
                ends = client.getsockname(), accepted.getsockname()
                assert users_of(socket.SOCK_STREAM, *ends) == ME


def test_an_address_that_is_none_is_nobodys() -> None:
    assert users_of(socket.SOCK_DGRAM, ("fe80::1%lo", 1), ("::1", 1)) is None
