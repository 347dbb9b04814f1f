"""Who is at the other end of a unix socket."""

from __future__ import annotations

import sys

assert sys.platform == "linux"

import socket
import struct
from typing import Final

#: Process, user and group (unix(7), SO_PEERCRED).
_CREDENTIALS: Final = struct.Struct("3i")


def peer_user(connection: socket.socket) -> int:
    """The user who connected, or who listens, at the other end; raises OSError."""
    data = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    return int(_CREDENTIALS.unpack(data)[1])
