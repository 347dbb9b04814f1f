"""The way from a client to a target: straight, or through a proxy."""

import socket
from collections.abc import Callable
from dataclasses import dataclass

from . import socks5
from .loop import Task, finish
from .socks5 import Address

Ask = Callable[[socket.socket, Address], Task[None]]
"""Gets a connection to a proxy through to a target."""


@dataclass(frozen=True, slots=True)
class Route:
    """Where to connect, and what to ask for there."""

    door: Address
    target: Address | None = None
    """What to ask of the proxy behind the door; None: the door is the target."""
    ask: Ask = socks5.connect
    """In which language."""

    def open(self) -> socket.socket:
        """A socket to the door, before anything was said.

        It is a plain blocking connect: to a listener on loopback the kernel answers at once.
        """
        sock = socket.socket()
        try:
            sock.connect(self.door)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except BaseException:
            sock.close()
            raise
        return sock

    def negotiate(self, sock: socket.socket) -> Task[None]:
        """Get through the proxy, if there is one."""
        if self.target is not None:
            yield from self.ask(sock, self.target)

    def dial(self, timeout: float = 20.0) -> socket.socket:
        """A blocking socket that leads to the target; each wait on it ends after `timeout` s."""
        sock = self.open()
        try:
            sock.settimeout(timeout)
            finish(self.negotiate(sock))
        except BaseException:
            sock.close()
            raise
        return sock
