"""Where a client wants to go, and its form in bytes (RFC 1928, section 5).

    type 1 byte | address                       | port 2 bytes, big-endian
    1           | IPv4, 4 bytes                 |
    3           | length 1 byte, then the name  |
    4           | IPv6, 16 bytes                |

A SOCKS request, our own frames and the original wire format all use this form.

    AddressError           the bytes name no target: an address type that nobody defined
    └── BadAddressError    the type is known, the address itself is nonsense
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

from vsocks.errors import VsocksError, describe

IPAddress = IPv4Address | IPv6Address

_IPV4, _NAME, _IPV6 = 1, 3, 4
_IP_SIZE = {_IPV4: 4, _IPV6: 16}
_PORT_SIZE = 2
_MAX_NAME = 255

# Nothing else is of use in a host name, and with this nothing in a name can
# harm a log line, a resolver or a rule.
_HOST_NAME = re.compile(r"[A-Za-z0-9._-]+")


class AddressError(VsocksError, ValueError):
    """Bytes that are no address; ``address_type`` is the type byte they began with."""

    def __init__(self, message: str, address_type: int) -> None:
        super().__init__(message)
        self.address_type = address_type


class BadAddressError(AddressError):
    """An address of a known type that can't be one: an empty name, or a NUL in it."""


@dataclass(frozen=True, slots=True)
class Target:
    """An address or a name, and a port: where a connection goes to, or came from."""

    host: str
    port: int

    @property
    def ip(self) -> IPAddress | None:
        """The address, or None when ``host`` is a name that has to be looked up."""
        return parse_ip(self.host)

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def target_of(address: tuple[Any, ...]) -> Target:
    """A socket's address as a target; the scope of an IPv6 one is this machine's alone."""
    host, port = address[:2]
    return Target(host.partition("%")[0], port)


@lru_cache(maxsize=1024)
def parse_ip(text: str) -> IPAddress | None:
    """The IP address which ``text`` spells, or None. A scope (``fe80::1%eth0``) is none."""
    try:
        return None if "%" in text else ip_address(text)
    except ValueError:
        return None


def pointed_at(name: str) -> IPAddress | None:
    """The address whose name is asked for under ``name``: 10.0.0.1 for 1.0.0.10.in-addr.arpa."""
    labels = name.lower().split(".")
    parts, zone = labels[-3::-1], labels[-2:]
    if zone == ["in-addr", "arpa"] and len(parts) == 4:
        return parse_ip(".".join(parts))
    if zone == ["ip6", "arpa"] and len(parts) == 32 and all(len(part) == 1 for part in parts):
        return parse_ip(":".join("".join(parts[at : at + 4]) for at in range(0, 32, 4)))
    return None


def ascii_name(name: str) -> str:
    """``name`` as it goes into a look-up, internationalised names in their ``xn--`` form.

    Raises ValueError when it can't be a host name.
    """
    try:
        encoded = name if name.isascii() else name.encode("idna").decode("ascii")
    except UnicodeError as error:
        raise ValueError(f"{name!r} is no host name: {describe(error)}") from None
    if not _HOST_NAME.fullmatch(encoded):
        raise ValueError(
            f"{name!r} is no host name: only letters, digits, '.', '-' and '_' make one"
        )
    if len(encoded) > _MAX_NAME:
        raise ValueError(f"{name[:20]!r}… is no host name: it is longer than {_MAX_NAME} bytes")
    return encoded


@lru_cache(maxsize=1024)
def _ip_text(packed: bytes) -> str:
    return str(ip_address(packed))


def encode_address(target: Target) -> bytes:
    """The bytes of ``target``. Raises ValueError when it has no such form."""
    if not 0 <= target.port <= 0xFFFF:
        raise ValueError(f"{target.port} is no port: ports go from 0 to 65535")
    port = target.port.to_bytes(_PORT_SIZE, "big")
    ip = target.ip
    if ip is not None:
        return bytes((_IPV4 if ip.version == 4 else _IPV6,)) + ip.packed + port
    name = ascii_name(target.host).encode("ascii")
    return bytes((_NAME, len(name))) + name + port


def parse_address(
    data: bytes | bytearray | memoryview, offset: int = 0
) -> tuple[Target, int] | None:
    """The target at ``offset`` and the offset behind it, or None while bytes are missing.

    A name that spells an IP address ("127.0.0.1") becomes that address, since a
    look-up would treat it so. Raises AddressError or BadAddressError, as soon as the
    bytes that came can't become an address, and nothing else for any bytes.
    """
    if len(data) <= offset:
        return None
    address_type = data[offset]
    start = offset + 1
    if address_type == _NAME:
        if len(data) <= start:
            return None
        size = data[start]
        start += 1
        if size == 0:
            raise BadAddressError("an empty host name", address_type)
    elif address_type in _IP_SIZE:
        size = _IP_SIZE[address_type]
    else:
        raise AddressError(f"address type {address_type} is unknown", address_type)

    end = start + size + _PORT_SIZE
    if len(data) < end:
        return None
    address = bytes(data[start : start + size])
    port = int.from_bytes(data[start + size : end], "big")
    host = _parse_name(address) if address_type == _NAME else _ip_text(address)
    return Target(host, port), end


def _parse_name(raw: bytes) -> str:
    name = raw.decode("latin-1")
    if _HOST_NAME.fullmatch(name):
        # A dotted number too, but only IPv6 text is spelled in more than one way.
        return name
    ip = parse_ip(name)
    if ip is None:
        raise BadAddressError(f"{raw[:40]!r} is no host name", _NAME)
    return str(ip)
