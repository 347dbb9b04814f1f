"""The ways to join the two daemons with no VM: what each is told as its channel."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.integration.support.ptys import PtyCable


@dataclass(frozen=True)
class Ends:
    """The channel specs of both daemons."""

    guest: str
    host: str


def free_port() -> int:
    """A TCP port that nobody listened on a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port


@contextmanager
def unix_guest_listens(directory: Path) -> Iterator[Ends]:
    path = directory / "channel"
    yield Ends(guest=f"unix-listen:{path}", host=f"unix:{path}")


@contextmanager
def unix_host_listens(directory: Path) -> Iterator[Ends]:
    path = directory / "channel"
    yield Ends(guest=f"unix:{path}", host=f"unix-listen:{path}")


@contextmanager
def tcp_guest_listens(directory: Path) -> Iterator[Ends]:
    port = free_port()
    yield Ends(guest=f"tcp-listen:127.0.0.1:{port}", host=f"tcp:127.0.0.1:{port}")


@contextmanager
def tcp_host_listens(directory: Path) -> Iterator[Ends]:
    port = free_port()
    yield Ends(guest=f"tcp:127.0.0.1:{port}", host=f"tcp-listen:127.0.0.1:{port}")


@contextmanager
def serial(directory: Path) -> Iterator[Ends]:
    with PtyCable() as cable:
        guest, host = cable.devices
        yield Ends(guest=f"serial:{guest}", host=f"serial:{host}")


LAYOUTS: dict[str, Callable[[Path], AbstractContextManager[Ends]]] = {
    "unix-guest-listens": unix_guest_listens,
    "unix-host-listens": unix_host_listens,
    "tcp-guest-listens": tcp_guest_listens,
    "tcp-host-listens": tcp_host_listens,
    "serial": serial,
}
