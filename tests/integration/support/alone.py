"""One daemon by itself, with our own socket at the other end of its channel."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.integration.support.daemon import Daemon
from tests.integration.support.pair import ALLOW_LOOPBACK, LISTENING
from tests.integration.support.waiting import DEADLINE, eventually
from tests.support.socks_messages import Address

#: Opens our end of a daemon's channel, which it may do again once that is closed. Its argument is
#: how many seconds it may take.
Dial = Callable[[float], socket.socket]


def connect_unix(
    path: Path, listener: Daemon | None = None, *, deadline: float = DEADLINE
) -> socket.socket:
    """A connection to the unix socket `path`, as soon as somebody (`listener`) takes it."""
    channel = socket.socket(socket.AF_UNIX)

    def attempt() -> None:
        assert listener is None or listener.process.poll() is None, f"it ended; {listener.tail()}"
        try:
            channel.connect(str(path))
        except OSError as error:
            raise AssertionError(f"can't connect to {path}: {error}") from error

    try:
        eventually(attempt, deadline=deadline)
    except BaseException:
        channel.close()
        raise
    channel.settimeout(DEADLINE)
    return channel


@contextmanager
def dialled_host(directory: Path, *options: str) -> Iterator[tuple[Daemon, Dial]]:
    """`vsocks host` as it runs beside QEMU, which may close its chardev and open it again."""
    path = directory / "channel"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(1)

        def dial(deadline: float) -> socket.socket:
            listener.settimeout(deadline)
            channel, _ = listener.accept()
            channel.settimeout(DEADLINE)
            return channel

        arguments = ("host", "--channel", f"unix:{path}", *ALLOW_LOOPBACK, *options)
        with Daemon(arguments, directory / "host.log") as host:
            yield host, dial


@contextmanager
def dialled_guest(directory: Path, *options: str) -> Iterator[tuple[Daemon, Address, Dial]]:
    """`vsocks guest`, where it serves SOCKS, and its channel for us to open."""
    path = directory / "channel"
    channel_options = ("--channel", f"unix-listen:{path}", "--listen", "127.0.0.1:0")
    with Daemon(("guest", *channel_options, *options), directory / "guest.log") as guest:
        port = int(guest.wait_for_log(LISTENING)[1])
        yield (
            guest,
            ("127.0.0.1", port),
            lambda deadline: connect_unix(path, guest, deadline=deadline),
        )


@contextmanager
def lone_host(directory: Path, *options: str) -> Iterator[tuple[Daemon, socket.socket]]:
    """`vsocks host`, and our end of its channel."""
    with dialled_host(directory, *options) as (host, dial), dial(DEADLINE) as channel:
        yield host, channel


@contextmanager
def lone_guest(directory: Path, *options: str) -> Iterator[tuple[Daemon, Address, socket.socket]]:
    """`vsocks guest`, where it serves SOCKS, and our end of its channel."""
    with (
        dialled_guest(directory, *options) as (guest, proxy, dial),
        dial(DEADLINE) as channel,
    ):
        yield guest, proxy, channel
