"""Moving bytes as tasks (see `loop`): read, send, pour out, drain."""

import socket

from .loop import READ, WRITE, Task

CHUNK = 1024 * 1024
"""Bytes a call: so large that the calls cost nothing beside the copying."""


def read_exactly(sock: socket.socket, size: int) -> Task[bytes]:
    """`size` bytes; ConnectionError if the peer ends before."""
    data = b""
    while len(data) < size:
        try:
            piece = sock.recv(size - len(data))
        except BlockingIOError:
            yield READ
            continue
        if not piece:
            raise ConnectionError(f"closed after {len(data)} of {size} bytes")
        data += piece
    return data


def send_all(sock: socket.socket, data: bytes) -> Task[None]:
    rest = memoryview(data)
    while rest:
        try:
            rest = rest[sock.send(rest) :]
        except BlockingIOError:
            yield WRITE


def pour(sock: socket.socket, size: int) -> Task[None]:
    """Send `size` bytes of no meaning."""
    chunk = memoryview(bytes(CHUNK))
    while size:
        try:
            size -= sock.send(chunk[:size] if size < CHUNK else chunk)
        except BlockingIOError:
            yield WRITE


def drain(sock: socket.socket, size: int) -> Task[None]:
    """Receive `size` bytes and forget them; ConnectionError if the peer ends before."""
    buffer = bytearray(CHUNK)
    while size:
        try:
            count = sock.recv_into(buffer, min(size, CHUNK))
        except BlockingIOError:
            yield READ
            continue
        if not count:
            raise ConnectionError(f"closed with {size} bytes to come")
        size -= count
