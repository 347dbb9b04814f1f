"""One daemon by itself, with our own socket at the other end of its channel."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.integration.support.daemon import Daemon
from tests.integration.support.pair import ALLOW_LOOPBACK, LISTENING
from tests.integration.support.waiting import DEADLINE, eventually
from tests.support.socks_messages import Address


def connect_unix(path: Path, listener: Daemon | None = None) -> socket.socket:
    """A connection to the unix socket `path`, as soon as somebody (`listener`) takes it."""
    channel = socket.socket(socket.AF_UNIX)

    def attempt() -> None:
        assert listener is None or listener.process.poll() is None, f"it ended; {listener.tail()}"
        try:
            channel.connect(str(path))
        except OSError as error:
            raise AssertionError(f"can't connect to {path}: {error}") from error

    try:
        eventually(attempt)
    except BaseException:
        channel.close()
        raise
    channel.settimeout(DEADLINE)
    return channel


@contextmanager
def lone_host(directory: Path, *options: str) -> Iterator[tuple[Daemon, socket.socket]]:
    """`vsocks host` as it runs beside QEMU, and our end of its channel."""
    path = directory / "channel"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(1)
        listener.settimeout(DEADLINE)
        arguments = ("host", "--channel", f"unix:{path}", *ALLOW_LOOPBACK, *options)
        with Daemon(arguments, directory / "host.log") as host:
            channel, _ = listener.accept()
            channel.settimeout(DEADLINE)
            with channel:
                yield host, channel


@contextmanager
def lone_guest(directory: Path, *options: str) -> Iterator[tuple[Daemon, Address, socket.socket]]:
    """`vsocks guest`, where it serves SOCKS, and our end of its channel."""
    path = directory / "channel"
    channel_options = ("--channel", f"unix-listen:{path}", "--listen", "127.0.0.1:0")
    with Daemon(("guest", *channel_options, *options), directory / "guest.log") as guest:
        port = int(guest.wait_for_log(LISTENING)[1])
        with connect_unix(path, guest) as channel:
            yield guest, ("127.0.0.1", port), channel
