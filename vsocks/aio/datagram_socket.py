"""A socket for datagrams, and what comes out of it."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable
from typing import Any, Final, NoReturn

log = logging.getLogger(__name__)

#: Bytes that the system is asked to hold while we do something else. A burst is longer than what
#: most systems hold by themselves; Linux gives no more than net.core.rmem_max.
_RECEIVE_BUFFER: Final = 1 << 20
#: Seconds to wait when the system can't receive just now.
_PAUSE: Final = 0.1


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


async def receive_each(
    sock: socket.socket,
    buffer: memoryview,
    take: Callable[[memoryview, Any], None],
    in_a_row: int = 16,
) -> NoReturn:
    """Give each datagram that comes, and its source, to ``take``, until cancelled.

    It is in ``buffer``, and valid during the call only. Longer ones are cut, or lost on Windows.
    After ``in_a_row`` of them others have a turn.
    """
    loop = asyncio.get_running_loop()
    taken = 0
    while True:
        try:
            size, source = await loop.sock_recvfrom_into(sock, buffer)
        except ConnectionResetError:
            # Windows says so, or names no source, when one that we sent has reached nobody.
            source = None
        except OSError as error:
            log.debug("receiving a datagram failed: %s", error.strerror)
            await asyncio.sleep(_PAUSE)
            continue
        if source is not None:
            take(buffer[:size], source)
        taken += 1
        if taken % in_a_row == 0 or source is None:
            # While there is more to receive, receiving doesn't wait.
            await asyncio.sleep(0)
