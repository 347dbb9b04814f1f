"""Ports for programs that neither choose one by themselves nor say when they listen."""

import socket
import time

from .child import PATIENCE, Child
from .load.socks5 import Address


def free_port() -> int:
    """A port of 127.0.0.1 that is free now."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port: int = sock.getsockname()[1]
        return port


def wait_until_open(door: Address, daemon: Child) -> None:
    """Return when the daemon listens there; ConnectionRefusedError after PATIENCE."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            socket.create_connection(door).close()
        except ConnectionRefusedError:
            if time.monotonic() > deadline:
                raise
            daemon.check()
            time.sleep(0.01)
        else:
            return
