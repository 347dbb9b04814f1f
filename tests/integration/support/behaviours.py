"""What a target does with a connection: functions for `Target`."""

from __future__ import annotations

import hashlib
import socket
import threading

from tests.integration.support.transfer import (
    Received,
    read_request,
    receive_pattern,
    reset,
    send_pattern,
)
from tests.integration.support.waiting import DEADLINE
from tests.support.pattern import BLOCK
from tests.support.receiving import receive_all, receive_exactly


def source(connection: socket.socket) -> None:
    """Send the stream that the client asks for, and close."""
    send_pattern(connection, *read_request(connection))


def sink(connection: socket.socket) -> Received:
    """Check the stream that the client announces, to its end."""
    stream, _ = read_request(connection)
    return receive_pattern(connection, stream)


def echo(connection: socket.socket) -> None:
    """Send everything back until the client has ended."""
    while data := connection.recv(BLOCK):
        connection.sendall(data)


def answer_after_eof(connection: socket.socket) -> None:
    """Say nothing before the client's end; then the SHA-256 of what it sent."""
    connection.sendall(hashlib.sha256(receive_all(connection)).digest())


def end_first(connection: socket.socket) -> Received:
    """Send the stream asked for, end our direction, and then check what the client still sends."""
    stream, length = read_request(connection)
    send_pattern(connection, stream, length)
    connection.shutdown(socket.SHUT_WR)
    return receive_pattern(connection, stream)


def reset_on_demand(connection: socket.socket) -> None:
    """Send the stream asked for; at the client's next byte, reset the connection."""
    send_pattern(connection, *read_request(connection))
    receive_exactly(connection, 1)
    reset(connection)


def count_to_end(connection: socket.socket) -> Received:
    """Read to the end, whatever it is, without a look at the data."""
    count = 0
    try:
        while data := connection.recv(BLOCK):
            count += len(data)
    except ConnectionResetError:
        return Received(0, count, "reset")
    return Received(0, count, "eof")


class StalledSink:
    """Reads nothing of what the client sends before `go` is set; then it is a `sink`."""

    def __init__(self) -> None:
        self.go = threading.Event()

    def __call__(self, connection: socket.socket) -> Received:
        if not self.go.wait(DEADLINE):
            raise TimeoutError("the test never let the sink go")
        return sink(connection)


class Holder:
    """Holds each connection open in silence until `go` is set."""

    def __init__(self) -> None:
        self.go = threading.Event()

    def __call__(self, connection: socket.socket) -> None:
        self.go.wait(DEADLINE)
