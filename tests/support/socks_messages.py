"""What SOCKS5 clients say and hear (RFC 1928), as bytes; by none of the code under test.

This file is copied into guests, too, so it needs nothing but the standard library.
"""

from __future__ import annotations

import enum
import ipaddress
import struct
from typing import NamedTuple

Address = tuple[str, int]
"""A host, by its address or by a name, and a port."""

IPV4, NAME, IPV6 = 1, 3, 4
CONNECT, BIND, UDP_ASSOCIATE = 1, 2, 3
RESOLVE, RESOLVE_PTR = 0xF0, 0xF1
"""Tor's: a name's address, an address's name."""

GREETING = b"\x05\x01\x00"
"""Nothing but "no authentication"."""
WELCOME = b"\x05\x00"
"""The proxy takes it."""

ANSWER_START = 5
"""Bytes of an answer that tell how many follow."""


class Reply(enum.IntEnum):
    """The replies of RFC 1928, section 6."""

    SUCCEEDED = 0
    GENERAL_FAILURE = 1
    NOT_ALLOWED = 2
    NETWORK_UNREACHABLE = 3
    HOST_UNREACHABLE = 4
    REFUSED = 5
    TIMEOUT = 6
    COMMAND_NOT_SUPPORTED = 7
    ADDRESS_TYPE_NOT_SUPPORTED = 8


class RefusedError(Exception):
    """The proxy answered with something else than success."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(f"{int(reply)} ({reply.name})")
        self.reply = reply


class Answer(NamedTuple):
    """A reply, and the address (or name) and port in it."""

    reply: Reply
    host: str
    port: int

    @property
    def address(self) -> Address:
        """Where it says that somebody listens, or came from."""
        return self.host, self.port


def encode_address(address: Address, *, as_name: bool = False) -> bytes:
    """As requests and datagrams have it: by its IP address if it is one, unless `as_name`."""
    host, port = address
    try:
        literal = None if as_name else ipaddress.ip_address(host)
    except ValueError:
        literal = None
    if literal is None:
        name = host.encode()
        where = struct.pack("BB", NAME, len(name)) + name
    else:
        where = struct.pack("B", IPV4 if literal.version == 4 else IPV6) + literal.packed
    return where + struct.pack(">H", port)


def encode_request(target: Address, *, as_name: bool = False, command: int = CONNECT) -> bytes:
    """The request that `command` be done with `target`."""
    return struct.pack("BBB", 5, command, 0) + encode_address(target, as_name=as_name)


def rest_of_answer(start: bytes) -> int:
    """How many bytes of an answer follow the ANSWER_START first ones."""
    version, _, reserved, kind, length = start
    assert (version, reserved) == (5, 0), "not a SOCKS5 reply"
    sizes = {IPV4: 4, IPV6: 16, NAME: 1 + length}
    return 4 + sizes[kind] + 2 - ANSWER_START


def decode_answer(answer: bytes) -> Answer:
    """What a whole answer says."""
    host = answer[4:-2]
    text = host[1:].decode("ascii") if answer[3] == NAME else str(ipaddress.ip_address(host))
    return Answer(Reply(answer[1]), text, int.from_bytes(answer[-2:], "big"))


def datagram_header(target: Address, *, reserved: int = 0, fragment: int = 0) -> bytes:
    """What stands before a datagram's data (section 7)."""
    return struct.pack(">HB", reserved, fragment) + encode_address(target)
