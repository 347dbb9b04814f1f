"""What stands before a datagram between a SOCKS5 client and the proxy (RFC 1928, section 7).

    reserved 2 bytes, 0 | fragment 1 byte | address as in a request | data

From the client the address is where the data is to go, to the client where they came from.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Final

from vsocks.address import AddressError, encode_address, parse_address

if TYPE_CHECKING:
    from vsocks.address import Target

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
