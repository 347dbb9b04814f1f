"""A SOCKS5 client's datagrams: what stands before each (RFC 1928, section 7), and whose it is.

    reserved 2 bytes, 0 | fragment 1 byte | address as in a request | data

From the client the address is where the data is to go, to the client where they came from.
"""

from __future__ import annotations

from enum import Enum
from ipaddress import IPv6Address
from typing import TYPE_CHECKING, Final

from vsocks.address import AddressError, encode_address, parse_address, parse_ip

if TYPE_CHECKING:
    from vsocks.address import IPAddress, Target

#: The reserved bytes, and no fragment.
_START: Final = bytes(3)
_ADDRESS_AT: Final = len(_START)

#: Bytes of the longest header, that with the longest name.
LONGEST_HEADER: Final = _ADDRESS_AT + 1 + 1 + 255 + 2


class Malformed(Enum):
    """Why a datagram is dropped, in words for a counter."""

    TOO_SHORT = "too short"
    RESERVED_NOT_ZERO = "reserved bytes are not zero"
    FRAGMENT = "a fragment"
    BAD_ADDRESS = "a bad address"


def parse_datagram(datagram: bytes | memoryview) -> tuple[Target, memoryview] | Malformed:
    """Where a client's datagram goes, and its data (a view, maybe empty); or what is wrong with it.

    Fragments are not put together again, which the RFC leaves to the server: they are dropped.
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
    """What goes before data that came from ``source``."""
    return _START + encode_address(source)


class ClientLock:
    """Decides by the source of each datagram whether it is the client's (RFC 1928, 6 and 7).

    The address is that of the client at the other end of the TCP connection, always: an address
    in the request is never believed instead. Whoever may connect could otherwise open the
    proxy's port for datagrams to anybody else, and have the answers sent there.

    A client that knows the port it will send from says so in its request. Most don't (zeros), some
    say an address that isn't theirs, from behind a NAT, or the one of their first target: a port
    beside such an address means nothing. Then the first datagram's port is it from then on.
    """

    def __init__(self, client: str, said: Target) -> None:
        """``client`` is the TCP peer's address; ``said`` is that of the Associate."""
        self._client = _plain(client)
        told = _plain(said.host)
        is_zeros = not isinstance(told, str) and told.is_unspecified
        self._port = said.port if is_zeros or told == self._client else 0
        self._locked: tuple[str, int] | None = None

    @property
    def address(self) -> tuple[str, int] | None:
        """Where answers go: where the first datagram came from, None before there was one."""
        return self._locked

    def admits(self, host: str, port: int) -> bool:
        """Whether a datagram from there is the client's, and from the first one on from now on.

        ``host`` is an address as sockets give it. To be asked only about well-formed
        datagrams: what another program has sent by mistake should not be the first one.
        """
        if self._locked is not None:
            return (host, port) == self._locked
        if _plain(host) != self._client or self._port not in (0, port):
            return False
        self._locked = (host, port)
        return True


def _plain(host: str) -> IPAddress | str:
    """An address in a form to compare: an IPv4 one as such, also when IPv6 sockets give it.

    One with a scope (fe80::1%eth0) is compared as text: the scope is a part of it.
    """
    ip = parse_ip(host)
    if isinstance(ip, IPv6Address) and ip.ipv4_mapped is not None:
        return ip.ipv4_mapped
    return host if ip is None else ip
