"""Datagrams to a target: straight, or through the UDP association of a SOCKS5 proxy."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from .loop import finish
from .route import Route
from .socks5 import Address, associate, datagram_header

LONGEST = 65536
ANSWER = 0.5
"""Seconds to wait for an answer before the question is taken for lost."""
ATTEMPTS = 20


class Correspondence:
    """A socket whose datagrams reach the target, and the header that each needs for that."""

    def __init__(self, sock: socket.socket, header: bytes = b"") -> None:
        self.socket = sock
        self._header = header

    def wrapped(self, data: bytes) -> bytes:
        """What to give to the socket for the target to get `data`."""
        return self._header + data

    def receive(self) -> bytes:
        """What the target has sent; TimeoutError as the socket says."""
        return self.socket.recv(LONGEST)[len(self._header) :]

    def ask(self, question: bytes) -> bytes:
        """The answer, which begins as the question does; datagrams may be lost on the way."""
        self.socket.settimeout(ANSWER)
        for _ in range(ATTEMPTS):
            self.socket.send(self.wrapped(question))
            try:
                while not (answer := self.receive()).startswith(question):
                    pass  # the answer to an earlier one
            except TimeoutError:
                continue
            return answer
        raise TimeoutError(f"no answer within {ATTEMPTS * ANSWER:g} s")


@dataclass(frozen=True, slots=True)
class DatagramRoute:
    """Where datagrams go, and by which proxy."""

    target: Address
    door: Address | None = None
    """Of the SOCKS5 proxy, if there is one."""

    @contextmanager
    def open(self) -> Iterator[Correspondence]:
        with ExitStack() as stack:
            sock = stack.enter_context(socket.socket(type=socket.SOCK_DGRAM))
            if self.door is None:
                sock.connect(self.target)
                yield Correspondence(sock)
            else:
                control = stack.enter_context(Route(self.door).dial())
                sock.connect(finish(associate(control)))
                yield Correspondence(sock, datagram_header(self.target))

    @contextmanager
    def straight(self) -> Iterator[Correspondence]:
        """To the target with nothing in between: to ask what it got."""
        with DatagramRoute(self.target).open() as correspondence:
            yield correspondence
