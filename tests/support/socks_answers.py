"""All that a SOCKS5 reply says, and users: what the plain client in `socks` leaves out."""

from __future__ import annotations

import ipaddress
import socket
import struct
from typing import NamedTuple

from tests.support import socks
from tests.support.receiving import receive_exactly
from tests.support.socks import CONNECT, Address, Reply

RESOLVE, RESOLVE_PTR = 0xF0, 0xF1

User = tuple[str, str]


class Answer(NamedTuple):
    """A reply, and the address (or name) and port in it."""

    reply: Reply
    host: str
    port: int

    @property
    def address(self) -> Address:
        """Where it says that somebody listens, or came from."""
        return self.host, self.port


def greet_as(sock: socket.socket, user: User | None) -> bool:
    """Say who we are, if anybody; False if the proxy won't have that."""
    if user is None:
        socks.greet(sock)
        return True
    name, password = (each.encode() for each in user)
    sock.sendall(b"\x05\x01\x02")
    method = receive_exactly(sock, 2)
    if method != b"\x05\x02":
        assert method == b"\x05\xff", f"the proxy chose {method.hex()}"
        return False
    sock.sendall(struct.pack("BB", 1, len(name)) + name + bytes((len(password),)) + password)
    version, status = receive_exactly(sock, 2)
    assert version == 1
    return status == 0


def read_answer(sock: socket.socket) -> Answer:
    """One whole reply."""
    version, code, reserved, kind = receive_exactly(sock, 4)
    assert (version, reserved) == (5, 0), "not a SOCKS5 reply"
    if kind == socks.NAME:
        host = receive_exactly(sock, receive_exactly(sock, 1)[0]).decode("ascii")
    else:
        packed = receive_exactly(sock, 4 if kind == socks.IPV4 else 16)
        host = str(ipaddress.ip_address(packed))
    return Answer(Reply(code), host, int.from_bytes(receive_exactly(sock, 2), "big"))


def request(
    proxy: Address,
    target: Address,
    *,
    command: int = CONNECT,
    as_name: bool = False,
    user: User | None = None,
) -> tuple[socket.socket, Answer]:
    """Ask for something; the connection, which the caller owns, and the (first) reply."""
    sock = socks.dial(proxy)
    try:
        assert greet_as(sock, user), f"the proxy won't have {user}"
        sock.sendall(socks.encode_request(target, as_name=as_name, command=command))
        return sock, read_answer(sock)
    except BaseException:
        sock.close()
        raise


def ask(proxy: Address, target: Address, *, command: int, as_name: bool = False) -> Answer:
    """Ask for what needs nothing but an answer."""
    sock, answer = request(proxy, target, command=command, as_name=as_name)
    sock.close()
    return answer
