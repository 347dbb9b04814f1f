"""IPv4 addresses within IPv6 addresses: where a connection to the one may end at the other."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from vsocks.address import IPAddress

#: Networks whose last 32 bits are an IPv4 address.
_IN_THE_LAST_BITS: Final = [
    IPv6Network("::ffff:0:0/96"),  # mapped: the kernel itself connects to the IPv4 address
    IPv6Network("::/96"),  # compatible, deprecated
    IPv6Network("::ffff:0:0:0/96"),  # translated (SIIT)
    IPv6Network("64:ff9b::/96"),  # NAT64
]
#: NAT64 of a site (RFC 8215), the only one for private addresses; its prefix may be of any length
#: in RFC 6052, section 2.2: the bytes of the address, of which the ninth is always 0.
_SITE_NAT64: Final = IPv6Network("64:ff9b:1::/48")
_SITE_FORMS: Final = [(12, 13, 14, 15), (6, 7, 9, 10), (7, 9, 10, 11), (9, 10, 11, 12)]
_6TO4: Final = IPv6Network("2002::/16")
_TEREDO: Final = IPv6Network("2001::/32")
#: The last 64 bits of ISATAP begin so (RFC 5214, section 6.1).
_ISATAP: Final = (b"\x00\x00\x5e\xfe", b"\x02\x00\x5e\xfe")
_CARRIES_NOTHING: Final = (IPv6Address("::"), IPv6Address("::1"))
#: What the zeros of a shorter prefix look like in another form.
_ZEROS: Final = IPv4Network("0.0.0.0/8")


def carried_by(ip: IPAddress) -> list[IPv4Address]:
    """The IPv4 addresses that ``ip`` may stand for; none for most."""
    if isinstance(ip, IPv4Address) or ip in _CARRIES_NOTHING:
        return []
    packed = ip.packed
    if any(ip in network for network in _IN_THE_LAST_BITS):
        return [IPv4Address(packed[12:])]
    if ip in _SITE_NAT64:
        forms = [IPv4Address(bytes(packed[at] for at in form)) for form in _SITE_FORMS]
        return [each for each in forms if each not in _ZEROS] or forms[:1]
    if ip in _6TO4:
        return [IPv4Address(packed[2:6])]
    if ip in _TEREDO:
        # RFC 4380, section 4: the client's address, inverted.
        return [IPv4Address(bytes(byte ^ 0xFF for byte in packed[12:]))]
    if packed[8:12] in _ISATAP:
        return [IPv4Address(packed[12:])]
    return []
