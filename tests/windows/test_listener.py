"""A port that we listen on is ours alone."""

from __future__ import annotations

import socket
import sys

import pytest

assert sys.platform == "win32"

from vsocks.aio.socket_options import family_of, new_listener


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_no_other_program_can_take_it(host: str) -> None:
    with new_listener(host, 0, 1) as listener, socket.socket(family_of(host)) as other:
        assert listener.getsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE)
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with pytest.raises(OSError, match=r"10013|10048"):
            other.bind(listener.getsockname()[:2])
        with socket.create_connection(listener.getsockname()[:2], 10):
            pass


@pytest.mark.parametrize("port", [-1, 65536])
def test_a_port_that_can_not_be(port: int) -> None:
    with pytest.raises(OverflowError):
        new_listener("127.0.0.1", port, 1)
