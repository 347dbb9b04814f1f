"""Which nameservers this machine asks: resolv.conf(5)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from vsocks.address import Target, is_ip, parse_host_port
from vsocks.errors import UsageError, describe

if TYPE_CHECKING:
    from collections.abc import Sequence

_PORT: Final = 53
_FORMS: Final = "192.0.2.1, 192.0.2.1:5353, [2001:db8::1]:53"
#: Whom resolv.conf(5) says to ask when it names nobody.
_OWN_MACHINE: Final = (Target("127.0.0.1", _PORT),)


class ResolvConf:
    """The nameservers of a resolv.conf, read again whenever the file has changed.

    It changes when a laptop moves to another network or a VPN comes up; a daemon runs for weeks.
    """

    def __init__(self, path: Path = Path("/etc/resolv.conf")) -> None:
        self._path = path
        self._seen: tuple[int, int, int] | None = None
        self._servers: Sequence[Target] = _OWN_MACHINE

    def servers(self) -> Sequence[Target]:
        """The nameservers, at least one, in the order to ask them."""
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
    """The nameservers in the text of a resolv.conf; the machine itself if it names none."""
    lines = [line.split() for line in text.splitlines()]
    named = [words[1] for words in lines if words[:1] == ["nameserver"] and len(words) > 1]
    return [Target(address, _PORT) for address in named if is_ip(address)] or _OWN_MACHINE


def parse_nameserver(text: str) -> Target:
    """The nameserver that ADDR, ADDR:PORT or [ADDR]:PORT spells. Raises UsageError.

    An IPv6 address may have a scope (fe80::1%eth0).
    """
    try:
        address, port = parse_host_port(text, _PORT)
    except ValueError as error:
        raise _no_nameserver(text, describe(error)) from None
    if not is_ip(address):
        raise _no_nameserver(text, "it must be an IP address")
    return Target(address, port)


def _no_nameserver(text: str, why: str) -> UsageError:
    return UsageError(f"'{text}' is no nameserver: {why}; valid forms: {_FORMS}")
