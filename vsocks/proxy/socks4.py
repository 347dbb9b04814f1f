"""The server side of SOCKS4, and of SOCKS4a, which has names.

    version 1 byte, 4 | command 1 | port 2, big-endian | IPv4 4 | user id, NUL | name, NUL

There is a name if the address is 0.0.0.x with x other than 0. A reply is 8 bytes: 0, a code, port
and address. The protocol has no passwords, only a user id that proves nothing; so when users are
configured, every client is refused.
"""

from __future__ import annotations

from enum import IntEnum
from ipaddress import IPv4Address
from typing import TYPE_CHECKING, Final

from vsocks.address import AddressError, Target, parse_address
from vsocks.errors import describe
from vsocks.proxy.requests import Bind, Connect
from vsocks.proxy.socks_dialect import SocksDialect
from vsocks.proxy.users import NO_USERS, Users, show_name
from vsocks.reply import Reply

if TYPE_CHECKING:
    from vsocks.proxy.requests import DialectEvent

_VERSION: Final = 4
_GRANTED: Final = 90
_REJECTED: Final = 91
#: "The client program and identd report different user ids": the one that is about users.
_WRONG_USER: Final = 93
#: Version, command, port and address.
_HEAD_SIZE: Final = 8
_MAX_STRING: Final = 255
#: RFC 1928's types of addresses, see ``vsocks.address``.
_IPV4, _NAME = b"\x01", b"\x03"

#: The longest request, with its two strings and their NULs.
LONGEST_MESSAGE: Final = _HEAD_SIZE + 2 * (_MAX_STRING + 1)


class _Command(IntEnum):
    CONNECT = 1
    BIND = 2


class Socks4(SocksDialect):
    """One client's SOCKS4 or 4a. Implements ``Dialect``."""

    def __init__(self, users: Users = NO_USERS) -> None:
        super().__init__()
        self._users = users

    def _encode_reply(self, reply: int, bound: Target | None) -> bytes:
        """There is one code for all failures; an address that isn't IPv4 becomes zeros."""
        code = _GRANTED if reply == Reply.SUCCEEDED else _REJECTED
        ip = bound.ip if bound else None
        if bound is None or not isinstance(ip, IPv4Address):
            return _encode(code)
        return _encode(code, bound.port, ip)

    def _state_first(self) -> DialectEvent | None:
        """The request; SOCKS4 has nothing else."""
        buffer = self._buffer
        if buffer and buffer[0] != _VERSION:
            # To an unknown protocol there is no answer that it would understand.
            return self._refuse(b"", f"the client speaks no SOCKS4: first byte {buffer[0]:#04x}")
        if len(buffer) <= _HEAD_SIZE:
            return None
        user_end = self._end_of_string(_HEAD_SIZE)
        if user_end is None:
            return self._missing_end(_HEAD_SIZE, "the user id")
        end = user_end + 1
        if _has_name(buffer):
            name_end = self._end_of_string(end)
            if name_end is None:
                return self._missing_end(end, "the name")
            end = name_end + 1
        return self._judge(self._take(end), user_end)

    def _judge(self, request: bytes, user_end: int) -> DialectEvent:
        """The event for a whole request."""
        user = show_name(request[_HEAD_SIZE:user_end])
        if self._users.required:
            reason = f"user {user} can't show a password: SOCKS4 has none, and here it takes one"
            return self._refuse(_encode(_WRONG_USER), reason)
        try:
            target = _target(request, name=request[user_end + 1 : -1])
        except AddressError as error:
            return self._refuse(_encode(_REJECTED), f"user {user}: {describe(error)}")
        match request[1]:
            case _Command.CONNECT:
                return self._pass_on(Connect(target))
            case _Command.BIND:
                return self._pass_on(Bind(target))
            case command:
                reason = f"user {user}: command {command} is not supported"
                return self._refuse(_encode(_REJECTED), reason)

    def _end_of_string(self, start: int) -> int | None:
        """The offset of the NUL, None if it isn't within the allowed length."""
        end = self._buffer.find(0, start, start + _MAX_STRING + 1)
        return None if end < 0 else end

    def _missing_end(self, start: int, what: str) -> DialectEvent | None:
        """Wait for a string's NUL, up to the allowed length."""
        if len(self._buffer) <= start + _MAX_STRING:
            return None
        return self._refuse(
            _encode(_REJECTED), f"{what} of a SOCKS4 request has no end within {_MAX_STRING} bytes"
        )


def _has_name(request: bytes | bytearray) -> bool:
    return request[4:7] == bytes(3) and request[7] != 0


def _target(request: bytes, name: bytes) -> Target:
    """The target, by the same rules for host names as in SOCKS5."""
    port, ip = request[2:4], request[4:8]
    address = _NAME + bytes((len(name),)) + name if _has_name(request) else _IPV4 + ip
    parsed = parse_address(address + port)
    assert parsed is not None, "it is whole"
    return parsed[0]


def _encode(code: int, port: int = 0, ip: IPv4Address = IPv4Address(0)) -> bytes:  # noqa: B008
    return bytes((0, code)) + port.to_bytes(2, "big") + ip.packed
