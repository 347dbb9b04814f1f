"""Moving self-verifying data through a socket, and what became of it."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from tests.support.pattern import BLOCK, Checker, pattern
from tests.support.receiving import receive_exactly

ENDLESS = 1 << 40
"""A length that no test reaches: the transfer goes on until somebody ends it."""

Ending = Literal["eof", "reset"]
HEADER = struct.Struct(">QQ")


class CorruptDataError(Exception):
    """A byte arrived which was never sent, or not at this place, or not to this stream."""


@dataclass(frozen=True)
class Received:
    """What one side of a stream saw: so many right bytes, and then this end."""

    stream: int
    count: int
    ending: Ending


def send_pattern(
    sock: socket.socket,
    stream: int,
    length: int,
    *,
    start: int = 0,
    moved: Callable[[int], object] = lambda _: None,
) -> None:
    """Send bytes `start` to `length` of `stream`; `moved` is told the size of each step."""
    offset = start
    while offset < length:
        block = pattern(stream, offset, min(BLOCK, length - offset))
        sock.sendall(block)
        offset += len(block)
        moved(len(block))


def receive_pattern(
    sock: socket.socket,
    stream: int,
    *,
    start: int = 0,
    moved: Callable[[int], object] = lambda _: None,
) -> Received:
    """Check everything that arrives until the end, be it clean or a reset.

    Raises CorruptDataError at the first wrong byte and TimeoutError if the socket falls silent.
    """
    checker = Checker(stream, start)
    ending: Ending = "eof"
    try:
        while data := sock.recv(BLOCK):
            checker.take(data)
            if checker.wrong:
                raise CorruptDataError(checker.wrong)
            moved(len(data))
    except (ConnectionResetError, BrokenPipeError):
        ending = "reset"
    return Received(stream, checker.received, ending)


def request(sock: socket.socket, stream: int, length: int) -> None:
    """Tell a target which stream this is, and how many bytes of it are wanted."""
    sock.sendall(HEADER.pack(stream, length))


def read_request(sock: socket.socket) -> tuple[int, int]:
    """The stream and the length that the client asked for."""
    stream, length = HEADER.unpack(receive_exactly(sock, HEADER.size))
    return stream, length


def reset(sock: socket.socket) -> None:
    """Close with RST: the other end must see a reset, never a clean end."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()
