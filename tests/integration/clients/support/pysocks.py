"""Python's sockets behind the proxy, by PySocks."""

from __future__ import annotations

import socket

import socks

from tests.integration.support.pair import Pair
from tests.integration.support.waiting import DEADLINE


def make_socket(
    pair: Pair,
    protocol: int = socks.SOCKS5,
    kind: socket.SocketKind = socket.SOCK_STREAM,
    user: str | None = None,
    password: str | None = None,
) -> socks.socksocket:
    """A socket whose connection or datagrams go through the proxy, which is to resolve names."""
    sock = socks.socksocket(socket.AF_INET, kind)
    sock.settimeout(DEADLINE)
    sock.set_proxy(protocol, *pair.proxy, rdns=True, username=user, password=password)
    return sock
