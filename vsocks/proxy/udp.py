"""A SOCKS5 client's datagrams: the header of each (RFC 1928, section 7), and whose it is.

    reserved 2 bytes, 0 | fragment 1 byte | address as in a request | data

Towards the host, the address is where the data goes; towards the client, where it came from.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Final

from vsocks.address import AddressError, encode_address, parse_address, parse_ip, unmapped

if TYPE_CHECKING:
    from collections.abc import Callable

    from vsocks.address import IPAddress, Target

#: The reserved bytes, and no fragment.
_START: Final = bytes(3)
_ADDRESS_AT: Final = len(_START)

#: Bytes of the longest header, that with the longest name.
LONGEST_HEADER: Final = _ADDRESS_AT + 1 + 1 + 255 + 2


class Malformed(Enum):
    """Why a datagram is dropped, in words for the log."""

    TOO_SHORT = "too short"
    RESERVED_NOT_ZERO = "reserved bytes are not zero"
    FRAGMENT = "a fragment"
    BAD_ADDRESS = "a bad address"


def parse_datagram(datagram: bytes | memoryview) -> tuple[Target, memoryview] | Malformed:
    """A datagram's target and its data (a view, maybe empty), or what is wrong with it.

    Fragments are dropped: the RFC leaves it to the server whether to reassemble them.
    """
    view = memoryview(datagram)
    if len(view) <= _ADDRESS_AT:
        return Malformed.TOO_SHORT
    if view[0] or view[1]:
        return Malformed.RESERVED_NOT_ZERO
    if view[2]:
        return Malformed.FRAGMENT
    try:
        parsed = parse_address(view, _ADDRESS_AT)
    except AddressError:
        return Malformed.BAD_ADDRESS
    if parsed is None:
        return Malformed.TOO_SHORT
    target, data_at = parsed
    return target, view[data_at:]


def encode_header(source: Target) -> bytes:
    """The header for data that came from ``source``."""
    return _START + encode_address(source)


class ClientLock:
    """Decides by its source whether a datagram is the client's (RFC 1928, sections 6 and 7).

    The address must be that of the client's TCP connection; an address in the request is never
    believed. Otherwise a client could open the proxy's datagram port to somebody else, and have
    answers sent there.

    A client that knows the port it will send from names it in the request. Most don't (zeros);
    some name an address that isn't theirs, from behind a NAT, or that of their first target, and
    the port beside it means nothing. Then the port of the first datagram counts.
    """

    def __init__(
        self,
        client: str,
        said: Target,
        is_known: Callable[[str, int], bool] = lambda _host, _port: True,
    ) -> None:
        """``client`` is the TCP peer's address, ``said`` the address in the request.

        ``is_known`` has the last word on the source of a datagram that would be the first.
        """
        self._is_known = is_known
        self._client = _plain(client)
        told = _plain(said.host)
        is_zeros = not isinstance(told, str) and told.is_unspecified
        self._port = said.port if is_zeros or told == self._client else 0
        self._locked: tuple[str, int] | None = None

    @property
    def address(self) -> tuple[str, int] | None:
        """Where answers go: the source of the first datagram, None before that."""
        return self._locked

    def admits(self, host: str, port: int) -> bool:
        """Whether a datagram from there is the client's; the first one fixes the port.

        ``host`` is an address as sockets give it. Ask only about well-formed datagrams: the first
        one should not be what another program has sent by mistake.
        """
        if self._locked is not None:
            return (host, port) == self._locked
        if _plain(host) != self._client or self._port not in (0, port):
            return False
        if not self._is_known(host, port):
            return False
        self._locked = (host, port)
        return True


def _plain(host: str) -> IPAddress | str:
    """An address in a form to compare: an IPv4-mapped one as IPv4.

    One with a scope (fe80::1%eth0) is compared as text, since the scope belongs to it.
    """
    ip = parse_ip(host)
    return host if ip is None else unmapped(ip)
