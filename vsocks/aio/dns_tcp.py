"""DNS messages on a TCP connection: each has its length before it (RFC 1035, section 4.2.2)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import socket

_LENGTH_SIZE: Final = 2


async def send_message(sock: socket.socket, message: bytes) -> None:
    """Send one message, of 65535 bytes at most. Raises OSError."""
    # In one piece: some peers expect to read both at once (RFC 7766, section 8).
    framed = len(message).to_bytes(_LENGTH_SIZE, "big") + message
    await asyncio.get_running_loop().sock_sendall(sock, framed)


async def receive_message(sock: socket.socket) -> bytes | None:
    """The next message, None if the peer has ended. Raises OSError."""
    length = await _receive_exactly(sock, _LENGTH_SIZE)
    if length is None:
        return None
    return await _receive_exactly(sock, int.from_bytes(length, "big"))


async def _receive_exactly(sock: socket.socket, size: int) -> bytes | None:
    loop = asyncio.get_running_loop()
    data = bytearray()
    while len(data) < size:
        piece = await loop.sock_recv(sock, size - len(data))
        if not piece:
            return None
        data += piece
    return bytes(data)
