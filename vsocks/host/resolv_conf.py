"""Which nameservers this machine asks: resolv.conf(5)."""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from vsocks.address import Target
from vsocks.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

_PORT: Final = 53
_WITH_PORT: Final = re.compile(
    r"(?:\[(?P<ipv6>[^\[\]]+)\]|(?P<ipv4>[^:\[\]]+)):(?P<port>[0-9]{1,5})"
)
#: Whom resolv.conf(5) says to ask when it names nobody.
_OWN_MACHINE: Final = (Target("127.0.0.1", _PORT),)


class ResolvConf:
    """The nameservers of a resolv.conf, read again whenever the file has changed.

    It does when a laptop changes its network or a VPN comes up, and a daemon runs for weeks.
    """

    def __init__(self, path: Path = Path("/etc/resolv.conf")) -> None:
        self._path = path
        self._seen: tuple[int, int, int] | None = None
        self._servers: Sequence[Target] = _OWN_MACHINE

    def servers(self) -> Sequence[Target]:
        """The nameservers, at least one, in the order in which to ask them."""
        try:
            status = self._path.stat()
            seen = status.st_ino, status.st_mtime_ns, status.st_size
            if seen != self._seen:
                self._servers = nameservers_in(self._path.read_text("utf-8", "replace"))
                self._seen = seen
        except OSError:
            self._seen, self._servers = None, _OWN_MACHINE
        return self._servers


def nameservers_in(text: str) -> Sequence[Target]:
    """The nameservers that the text of a resolv.conf names, or the machine itself."""
    lines = [line.split() for line in text.splitlines()]
    named = [words[1] for words in lines if words[:1] == ["nameserver"] and len(words) > 1]
    return [Target(address, _PORT) for address in named if _is_address(address)] or _OWN_MACHINE


def parse_nameserver(text: str) -> Target:
    """The nameserver that ADDR, ADDR:PORT or [ADDR]:PORT spells. Raises UsageError.

    An IPv6 address may have a scope (fe80::1%eth0).
    """
    match = _WITH_PORT.fullmatch(text)
    if match is not None:
        address, port = match["ipv6"] or match["ipv4"], int(match["port"])
    else:
        address, port = text[1:-1] if text[:1] + text[-1:] == "[]" else text, _PORT
    if not _is_address(address) or not 0 < port <= 0xFFFF:
        raise UsageError(f"'{text}' is no nameserver: 192.0.2.1, 192.0.2.1:5353, [2001:db8::1]:53")
    return Target(address, port)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
