"""Whose a socket is, as the system tells it."""

from __future__ import annotations

import os
import socket
import sys

import pytest

from vsocks.aio.socket_user import users_of

pytestmark = [
    pytest.mark.one_process,
    pytest.mark.skipif(sys.platform != "linux", reason="only Linux has /proc/net"),
]

ME = {os.getuid()} if sys.platform != "win32" else set()


def datagram_socket(family: int) -> socket.socket:
    return socket.socket(family, socket.SOCK_DGRAM)


def test_both_ends_of_a_connection() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = socket.create_connection(server.getsockname())
        accepted, _ = server.accept()
        with client, accepted:
            ends = client.getsockname(), accepted.getsockname()
            assert users_of("tcp", *ends) == ME
            assert users_of("tcp", *reversed(ends)) == ME
            assert users_of("udp", *ends) == set()
            assert users_of("tcp", ends[0], ("127.0.0.1", 1)) == set()
    assert users_of("tcp", ("127.0.0.1", 1), ("127.0.0.1", 2)) == set()


@pytest.mark.parametrize("bound", ["127.0.0.1", "0.0.0.0", "::", "::1", "::ffff:127.0.0.1"])
def test_a_datagram_socket_is_found_however_it_is_bound(bound: str) -> None:
    with datagram_socket(socket.AF_INET6 if ":" in bound else socket.AF_INET) as sock:
        sock.bind((bound, 0))
        port = sock.getsockname()[1]
        source = "::1" if bound == "::1" else "127.0.0.1"
        assert users_of("udp", (source, port)) == ME
        if bound == "127.0.0.1":
            assert users_of("udp", ("127.0.0.2", port)) == set()


def test_a_table_too_long_to_look_through_tells_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    with datagram_socket(socket.AF_INET) as sock:
        sock.bind(("127.0.0.1", 0))
        assert users_of("udp", sock.getsockname()) == ME
        monkeypatch.setattr("vsocks.aio.socket_user._MOST_SOCKETS", 0)
        assert users_of("udp", sock.getsockname()) is None


def test_an_address_that_is_none_is_nobodys() -> None:
    assert users_of("udp", ("fe80::1%lo", 1)) is None
