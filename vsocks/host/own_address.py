"""Whether an address is this machine's own, now: those of its cards and bridges come and go."""

from __future__ import annotations

import socket
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from vsocks.address import IPAddress

#: Any port: nothing is sent to it.
_DISCARD: Final = 9


def is_own(ip: IPAddress) -> bool:
    """Whether the system would reach ``ip`` from that very address, which only its own ones are."""
    family = socket.AF_INET if ip.version == 4 else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as sock:
            sock.connect((str(ip), _DISCARD))
            return ip_address(sock.getsockname()[0].partition("%")[0]) == ip
    except OSError:
        return False  # there is no way to it
