"""A socket for datagrams."""

from __future__ import annotations

import socket
from typing import Any, Final

#: Bytes that the system is asked to hold while we do something else. A burst is longer than what
#: most systems hold by themselves; Linux gives no more than net.core.rmem_max.
_RECEIVE_BUFFER: Final = 1 << 20


def bound_socket(family: int, address: tuple[Any, ...]) -> socket.socket:
    """Bound to ``address`` and not blocking; IPv6 alone, if it is that. Raises OSError."""
    sock = socket.socket(family, socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(address)
    except OSError:
        sock.close()
        raise
    return sock
