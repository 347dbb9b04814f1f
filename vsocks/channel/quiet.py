"""Ending a connection that QEMU has the other end of, when no session is left to end.

The write of a guest's that QEMU has in its hands when our end is closed is never returned to the
guest (hw/char/virtio-serial-bus.c, discard_throttle_data). So what comes is read and thrown away
until nothing does.
"""

from __future__ import annotations

import sys

assert sys.platform == "linux"

import contextlib
import select
import socket
import time
from typing import Final

#: Seconds without a byte after which the other side is taken to be quiet, and how long that is
#: waited for at most.
_QUIET: Final = 0.15
_LONGEST_WAIT: Final = 2.0
_PIECE: Final = 64 * 1024


def close_when_quiet(connection: socket.socket) -> None:
    """Read until the other side is quiet, two seconds at most, then close; blocks meanwhile."""
    end = time.monotonic() + _LONGEST_WAIT
    with connection, contextlib.suppress(OSError):
        connection.setblocking(False)
        waiting = select.poll()
        waiting.register(connection, select.POLLIN)
        while waiting.poll(_QUIET * 1000) and time.monotonic() < end:
            if not connection.recv(_PIECE):
                break
        connection.shutdown(socket.SHUT_RDWR)
