"""Where a client wants to go: its form in bytes (RFC 1928, section 5), and as people write it.

    type 1 byte | address                       | port 2 bytes, big-endian
    1           | IPv4, 4 bytes                 |
    3           | length 1 byte, then the name  |
    4           | IPv6, 16 bytes                |

A SOCKS request, our own frames and the original wire format all use this form.

    AddressError           the bytes name no target: an address type that nobody defined
    └── BadAddressError    the type is known, the address itself is nonsense

People write HOST:PORT, with an IPv6 address in brackets: options, channels, rules, URIs and log
lines all do, and all by ``split_host_port``, ``parse_host_port`` and ``format_host_port``.
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
_MAX_PORT = 0xFFFF
_LOOPBACK = "127.0.0.1"
_MAX_NAME = 255
#: Characters of somebody's text that an error shows.
_SHOWN = 60

# Nothing else is of use in a host name, and with this nothing in a name can
# harm a log line, a resolver or a rule.
_HOST_NAME = re.compile(r"[A-Za-z0-9._-]+")
_PORT = re.compile(r"[0-9]{1,5}")
_PORT_RANGE = re.compile(r"([0-9]{1,5})(?:-([0-9]{1,5}))?")
#: A colon which no bracket closes behind before another one opens.
_COLON_OUTSIDE_BRACKETS = re.compile(r":(?![^\[\]]*\])")


class AddressError(VsocksError, ValueError):
    """Bytes that are no address; ``address_type`` is their first byte, the type."""

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
        return format_host_port(self.host, self.port)


def target_of(address: tuple[Any, ...]) -> Target:
    """A socket's address as a target, without the scope, which means something only here."""
    host, port = address[:2]
    return Target(host.partition("%")[0], port)


@lru_cache(maxsize=1024)
def parse_ip(text: str) -> IPAddress | None:
    """The IP address which ``text`` spells, or None. A scope (``fe80::1%eth0``) is none."""
    try:
        return None if "%" in text else ip_address(text)
    except ValueError:
        return None


def unmapped(ip: IPAddress) -> IPAddress:
    """The IPv4 address that an IPv4-mapped one is (RFC 4291, 2.5.5.2); any other as it is."""
    return (ip.ipv4_mapped if isinstance(ip, IPv6Address) else None) or ip


def pointed_at(name: str) -> IPAddress | None:
    """The address that a reverse name stands for: 10.0.0.1 for 1.0.0.10.in-addr.arpa."""
    labels = name.lower().split(".")
    parts, zone = labels[-3::-1], labels[-2:]
    if zone == ["in-addr", "arpa"] and len(parts) == 4:
        return parse_ip(".".join(parts))
    if zone == ["ip6", "arpa"] and len(parts) == 32 and all(len(part) == 1 for part in parts):
        return parse_ip(":".join("".join(parts[at : at + 4]) for at in range(0, 32, 4)))
    return None


def ascii_name(name: str) -> str:
    """``name`` as it is looked up, an internationalised name in its ``xn--`` form.

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


# -- as people write it --------------------------------------------------------------------


def format_host_port(host: str, port: int) -> str:
    """HOST:PORT, with brackets around an IPv6 address."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def split_host_port(text: str) -> tuple[str, str | None]:
    """Host and port of HOST, HOST:PORT, [IPV6] or [IPV6]:PORT, as they are spelled.

    The port is None if none is given, the brackets come off. Without brackets several colons are
    an IPv6 address alone. Raises ValueError if the brackets are wrong.
    """
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if not bracket or ":" not in host or rest[:1] not in ("", ":"):
            raise ValueError("in brackets goes IPv6, and behind them only ':' and a port")
        return host, rest[1:] if rest else None
    if text.count(":") > 1:
        return text, None
    host, colon, port = text.partition(":")
    return host, port if colon else None


def split_at_colons(text: str) -> list[str]:
    """The parts of ``text`` between colons, but for those in brackets."""
    return _COLON_OUTSIDE_BRACKETS.split(text)


def parse_host_port(
    text: str, default_port: int | None = None, *, least_port: int = 1
) -> tuple[str, int]:
    """Host and port of HOST:PORT; the port may be left out if there is a default.

    The host is an IP address, maybe with a scope (fe80::1%eth0), or a name, as it was spelled.
    Where there is no default, an IPv6 address needs no brackets: what is behind the last colon
    is the port. Raises ValueError.
    """
    host, port = split_host_port(text)
    if port is None and default_port is None:
        host, _, port = text.rpartition(":")
        if not is_ip(host):
            hint = "; IPv6 goes in brackets" if host else ""
            raise ValueError(f"the port is missing{hint}")
    if not host:
        raise ValueError("the host is missing")
    if not is_ip(host):
        _check_labels(host)
    if port is None:
        assert default_port is not None
        return host, default_port
    return host, parse_port(port, least_port)


def _check_labels(name: str) -> None:
    """Raise ValueError if Python can't encode ``name`` as IDNA, as it does for a look-up."""
    try:
        ascii_name(name).encode("idna")
    except UnicodeError:
        problem = "a part of it is empty or longer than 63 bytes"
        raise ValueError(f"{_quoted(name)} is no host name: {problem}") from None


def loopback_or(text: str, *, least_port: int = 1) -> Target:
    """[ADDR:]PORT, where ADDR is an IP address, by default the loopback. Raises ValueError."""
    if ":" not in text:
        return Target(_LOOPBACK, parse_port(text, least_port))
    host, port = parse_host_port(text, least_port=least_port)
    return Target(str(needed_ip(host)), port)


def needed_ip(text: str) -> IPAddress:
    """An IP address. Raises ValueError."""
    ip = parse_ip(text)
    if ip is None:
        raise ValueError(f"{text!r} is no IP address")
    return ip


def parse_host(text: str) -> str:
    """A host in its one spelling: an IP address, or a name in ASCII. Raises ValueError."""
    return str(parse_ip(text) or ascii_name(text))


def is_ip(text: str) -> bool:
    """Whether ``text`` is an IP address, maybe with a scope (fe80::1%eth0)."""
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def parse_port(text: str, least: int = 1) -> int:
    """The port, of at least ``least``: 0 is one to listen on. Raises ValueError."""
    port = int(text) if _PORT.fullmatch(text) else -1
    if not least <= port <= _MAX_PORT:
        raise ValueError(f"{_quoted(text)} is no port: ports go from {least} to {_MAX_PORT}")
    return port


def parse_port_range(text: str) -> tuple[int, int]:
    """The lowest and the highest port of PORT or LOW-HIGH. Raises ValueError."""
    match = _PORT_RANGE.fullmatch(text)
    if match is None:
        raise ValueError(f"{_quoted(text)} is neither a port nor a range of ports")
    low, high = int(match[1]), int(match[2] or match[1])
    if high > _MAX_PORT or low > high:
        raise ValueError(f"ports go from 0 to {_MAX_PORT}, the lower one first")
    return low, high


def _quoted(text: str) -> str:
    return repr(text if len(text) <= _SHOWN else text[:_SHOWN] + "…")


# -- in bytes ------------------------------------------------------------------------------


@lru_cache(maxsize=1024)
def _ip_text(packed: bytes) -> str:
    return str(ip_address(packed))


def encode_address(target: Target) -> bytes:
    """The bytes of ``target``. Raises ValueError if it can't be encoded."""
    if not 0 <= target.port <= _MAX_PORT:
        raise ValueError(f"{target.port} is no port: ports go from 0 to {_MAX_PORT}")
    port = target.port.to_bytes(_PORT_SIZE, "big")
    ip = target.ip
    if ip is not None:
        return bytes((_IPV4 if ip.version == 4 else _IPV6,)) + ip.packed + port
    name = ascii_name(target.host).encode("ascii")
    return bytes((_NAME, len(name))) + name + port


def parse_address(
    data: bytes | bytearray | memoryview, offset: int = 0
) -> tuple[Target, int] | None:
    """The target at ``offset`` and the offset after it, or None while bytes are missing.

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
