"""What `service status` asks a daemon on this machine."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from vsocks.address import Target
from vsocks.cli import service_status

pytestmark = [pytest.mark.one_process, pytest.mark.timeout(60)]

STATUS = {
    "version": "1.2.3",
    "channel": "virtio:org.vsocks.0",
    "channel_open": True,
    "session": False,
    "connections": 3,
    "max_connections": 64,
    "associations": 1,
    "max_associations": 48,
}


@contextmanager
def answering(answer: bytes) -> Iterator[Target]:
    """A server for one client, which gets this, and then the end."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(30)

        def serve() -> None:
            client, _ = server.accept()
            with client:
                client.recv(1000)
                client.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield Target(*server.getsockname())
        finally:
            thread.join()


def test_a_daemon_tells_how_it_is() -> None:
    page = b"HTTP/1.1 200 OK\r\n\r\n" + json.dumps(STATUS).encode()
    with answering(page) as proxy:
        lines = service_status.describe_daemon(proxy)
    assert lines == [
        f"version 1.2.3, proxy at {proxy}",
        "channel virtio:org.vsocks.0: open",
        "session with the host: none",
        "connections: 3 of 64",
        "UDP associations: 1 of 48",
    ]


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 404 Not Found\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n<html>",
        b"HTTP/1.1 200 OK\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\n\r\n" + b" " * 70_000,
    ],
)
def test_something_else_answers(answer: bytes) -> None:
    with answering(answer) as proxy:
        (line,) = service_status.describe_daemon(proxy)
    assert line.startswith(f"it does not tell its status at {proxy}: ")


def test_what_it_says_is_no_command_for_the_terminal() -> None:
    page = b"HTTP/1.1 200 OK\r\n\r\n" + json.dumps(STATUS | {"version": "\x1b[2J"}).encode()
    with answering(page) as proxy:
        assert service_status.describe_daemon(proxy)[0].startswith("version ?[2J")
