"""The server side of SOCKS5 (RFC 1928), with names and passwords (RFC 1929).

    first ──> credentials ──> request ──Connect, Bind, …──> requested
      │ └───────── │ ───────────┘│
      └────────────┴─────────────┴──Refuse──> refused

Besides the RFC's three commands there are Tor's two for look-ups, which end with the reply: RESOLVE
(0xF0) for a name, RESOLVE_PTR (0xF1) for an address.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, Final

from vsocks.address import AddressError, BadAddressError, Target, encode_address, parse_address
from vsocks.errors import describe
from vsocks.proxy.requests import Bind, Connect, Resolve, ResolveAddress, Send, UdpAssociate
from vsocks.proxy.socks_dialect import SocksDialect
from vsocks.proxy.users import NO_USERS, Users, show_name
from vsocks.reply import Reply

if TYPE_CHECKING:
    from vsocks.proxy.requests import DialectEvent

_VERSION: Final = 5
_NO_AUTHENTICATION: Final = 0
_CREDENTIALS: Final = 2
_NO_ACCEPTABLE_METHOD: Final = 0xFF
#: RFC 1929's version of the messages about credentials, and what it says of them.
_CREDENTIALS_VERSION: Final = 1
_WELCOME: Final = bytes((_CREDENTIALS_VERSION, 0))
_NOT_WELCOME: Final = bytes((_CREDENTIALS_VERSION, 1))
#: What a reply carries when there is no address.
_NOWHERE: Final = Target("0.0.0.0", 0)  # noqa: S104 - not for listening

#: The longest message of a client, that with its credentials: the buffer never holds more
#: before the request is whole.
LONGEST_MESSAGE: Final = 1 + 1 + 255 + 1 + 255


class _Command(IntEnum):
    CONNECT = 1
    BIND = 2
    UDP_ASSOCIATE = 3
    RESOLVE = 0xF0
    RESOLVE_PTR = 0xF1


class Socks5(SocksDialect):
    """One client's SOCKS5. Implements ``Dialect``."""

    def __init__(self, users: Users = NO_USERS) -> None:
        super().__init__()
        self._users = users

    def _encode_reply(self, reply: int, bound: Target | None) -> bytes:
        return bytes((_VERSION, reply, 0)) + encode_address(bound or _NOWHERE)

    def _state_first(self) -> DialectEvent | None:
        """Version, number of methods, methods."""
        if not self._buffer:
            return None
        if self._buffer[0] != _VERSION:
            # To an unknown protocol there is no answer that it would understand.
            reason = f"the client speaks no SOCKS5: first byte {self._buffer[0]:#04x}"
            return self._refuse(b"", reason)
        if len(self._buffer) < 2 or len(self._buffer) < 2 + self._buffer[1]:
            return None
        methods = self._take(2 + self._buffer[1])[2:]
        method = self._choose(methods)
        if method == _NO_ACCEPTABLE_METHOD:
            lacks = "no password" if self._users.required else "only what isn't spoken here"
            reason = f"the client offers {lacks}: methods [{methods.hex(' ')}]"
            return self._refuse(bytes((_VERSION, method)), reason)
        self._state = self._state_credentials if method == _CREDENTIALS else self._state_request
        return Send(bytes((_VERSION, method)))

    def _choose(self, methods: bytes) -> int:
        """Choose a method; a client that only offers to log in may do so, even if nobody must."""
        if not self._users.required and _NO_AUTHENTICATION in methods:
            return _NO_AUTHENTICATION
        return _CREDENTIALS if _CREDENTIALS in methods else _NO_ACCEPTABLE_METHOD

    def _state_credentials(self) -> DialectEvent | None:
        """Version, name and password, each with its length before it."""
        buffer = self._buffer
        if buffer and buffer[0] != _CREDENTIALS_VERSION:
            return self._refuse(_NOT_WELCOME, f"credentials of version {buffer[0]}")
        if len(buffer) < 2 or len(buffer) < 3 + buffer[1]:
            return None
        name_end = 2 + buffer[1]
        password_start = name_end + 1
        end = password_start + buffer[name_end]
        if len(buffer) < end:
            return None
        message = self._take(end)
        name, password = message[2:name_end], message[password_start:]
        if self._users.required and not self._users.check(name, password):
            return self._refuse(
                _NOT_WELCOME, f"user {show_name(name)} is unknown, or the password is wrong"
            )
        self._state = self._state_request
        return Send(_WELCOME)

    def _state_request(self) -> DialectEvent | None:
        """Version, command, reserved, address."""
        if self._buffer and self._buffer[0] != _VERSION:
            return self._refuse_request(
                Reply.GENERAL_FAILURE, f"a request of SOCKS version {self._buffer[0]}"
            )
        try:
            parsed = parse_address(self._buffer, 3)
        except BadAddressError as error:
            return self._refuse_request(Reply.GENERAL_FAILURE, describe(error))
        except AddressError as error:
            return self._refuse_request(Reply.ADDRESS_TYPE_NOT_SUPPORTED, describe(error))
        if parsed is None:
            return None
        target, end = parsed
        # Judged only when the request is whole: closing a socket that still has
        # unread bytes resets it, and the client might never see the reply.
        return self._judge(self._take(end)[1], target)

    def _judge(self, command: int, target: Target) -> DialectEvent:
        """The event for a whole request. The port of a look-up is ignored."""
        match command:
            case _Command.CONNECT:
                return self._pass_on(Connect(target))
            case _Command.BIND:
                return self._pass_on(Bind(target))
            case _Command.UDP_ASSOCIATE:
                return self._pass_on(UdpAssociate(target))
            case _Command.RESOLVE:
                # An address too: to a resolver it is a name that stands for itself.
                return self._pass_on(Resolve(target.host))
            case _Command.RESOLVE_PTR if target.ip is not None:
                return self._pass_on(ResolveAddress(target.ip))
            case _Command.RESOLVE_PTR:
                reason = f"the name of an address is asked for, and {target.host} is none"
                return self._refuse_request(Reply.ADDRESS_TYPE_NOT_SUPPORTED, reason)
            case _:
                reason = f"command {command} is not supported"
                return self._refuse_request(Reply.COMMAND_NOT_SUPPORTED, reason)

    def _refuse_request(self, reply: Reply, reason: str) -> DialectEvent:
        return self._refuse(self._encode_reply(reply, None), reason)
