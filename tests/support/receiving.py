"""Reading a blocking socket up to a point.

This file is copied into guests, too, so it needs nothing but the standard library.
"""

from __future__ import annotations

import socket

MOST = 256 * 1024
"""Bytes that are read at a time."""


def receive_exactly(sock: socket.socket, count: int) -> bytes:
    """`count` bytes; EOFError if the stream ends before."""
    parts: list[bytes] = []
    while count:
        data = sock.recv(count)
        if not data:
            raise EOFError(f"the stream ended {count} bytes early")
        parts.append(data)
        count -= len(data)
    return b"".join(parts)


def receive_all(sock: socket.socket) -> bytes:
    """Everything until the clean end of the stream; a reset raises."""
    parts: list[bytes] = []
    while data := sock.recv(MOST):
        parts.append(data)
    return b"".join(parts)
