"""A SOCKS5 client of UDP ASSOCIATE that does as it is told, and UDP servers for it to reach."""

from __future__ import annotations

import ipaddress
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from tests.integration.support.waiting import DEADLINE
from tests.support.socks import User, request
from tests.support.socks_messages import (
    UDP_ASSOCIATE,
    Address,
    RefusedError,
    Reply,
    datagram_header,
)

LONGEST = 65535
NOWHERE: Address = ("0.0.0.0", 0)

Answers = Callable[[socket.socket, bytes, Address], object]


def split(datagram: bytes) -> tuple[Address, bytes]:
    """Where a datagram from the proxy came from, and its data."""
    assert datagram[:3] == bytes(3), f"not a header: {datagram[:8].hex()}"
    size = {1: 4, 4: 16}[datagram[3]]
    at = 4 + size
    host = str(ipaddress.ip_address(datagram[4:at]))
    return (host, int.from_bytes(datagram[at : at + 2], "big")), datagram[at + 2 :]


class Association:
    """One association: the TCP connection that holds it, and a socket for its datagrams."""

    def __init__(
        self, proxy: Address, *, said: Address = NOWHERE, user: User | None = None
    ) -> None:
        """Raises RefusedError. ``said`` is where we claim to send from."""
        self.control, answer = request(proxy, said, command=UDP_ASSOCIATE, user=user)
        if answer.reply is not Reply.SUCCEEDED:
            self.control.close()
            raise RefusedError(answer.reply)
        self.address = answer.address
        self.socket = self.new_socket()

    def new_socket(self, port: int = 0) -> socket.socket:
        """A socket which may send to the association, if that takes it for the client's."""
        family = socket.AF_INET6 if ":" in self.address[0] else socket.AF_INET
        sock = socket.socket(family, socket.SOCK_DGRAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 21)
        sock.settimeout(DEADLINE)
        sock.bind((self.address[0], port))
        return sock

    def send(self, target: Address, data: bytes, *, reserved: int = 0, fragment: int = 0) -> None:
        """Send a datagram on its way to `target`."""
        self.send_raw(datagram_header(target, reserved=reserved, fragment=fragment) + data)

    def send_raw(self, datagram: bytes) -> None:
        """Send something that need not be a datagram for anybody."""
        self.socket.sendto(datagram, self.address)

    def receive(self) -> tuple[Address, bytes]:
        """The next datagram that comes: where from, and its data."""
        return split(self.socket.recv(LONGEST))

    def exchange(self, target: Address, data: bytes) -> tuple[Address, bytes]:
        """Send a datagram, and receive the next one that comes."""
        self.send(target, data)
        return self.receive()

    def receive_until(self, last: bytes) -> list[bytes]:
        """The data of all that comes before the datagram `last`.

        Datagrams stay in order here, so what isn't among them was dropped.
        """
        received: list[bytes] = []
        while (data := self.receive()[1]) != last:
            received.append(data)
        return received

    def wait_end(self) -> None:
        """Wait for the end of the TCP connection, be it clean or a reset."""
        try:
            assert self.control.recv(1) == b""
        except ConnectionResetError:
            return

    def close(self) -> None:
        """End the association as a client does."""
        self.control.close()
        self.socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def refusal(proxy: Address) -> Reply:
    """Why an association can't be had."""
    try:
        Association(proxy).close()
    except RefusedError as refused:
        return refused.reply
    return Reply.SUCCEEDED


class UdpTarget:
    """A server on loopback that does `answer` with each datagram; `received` lists them."""

    def __init__(self, answer: Answers, host: str, port: int) -> None:
        self._answer = answer
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 21)
        self.socket.bind((host, port))
        self.address: Address = self.socket.getsockname()[:2]
        self.received: list[tuple[bytes, Address]] = []
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """The port it receives at."""
        return self.address[1]

    def close(self) -> None:
        """Receive no more."""
        self._ending.set()
        with socket.socket(self.socket.family, socket.SOCK_DGRAM) as waker:
            waker.sendto(b"", self.socket.getsockname())
        self._thread.join(DEADLINE)
        self.socket.close()

    def _run(self) -> None:
        while True:
            data, source = self.socket.recvfrom(LONGEST)
            if self._ending.is_set():
                return
            self.received.append((data, source))
            self._answer(self.socket, data, source)


def echo(sock: socket.socket, data: bytes, source: Address) -> None:
    """Send everything back."""
    sock.sendto(data, source)


def keep(sock: socket.socket, data: bytes, source: Address) -> None:
    """Answer nothing."""


@contextmanager
def udp_target(
    answer: Answers = echo, host: str = "127.0.0.1", port: int = 0
) -> Iterator[UdpTarget]:
    """A UDP server for as long as the context lasts."""
    target = UdpTarget(answer, host, port)
    try:
        yield target
    finally:
        target.close()
