"""Which user of this machine a socket belongs to, from /proc/net (proc_pid_net(5)); Linux only."""

from __future__ import annotations

import contextlib
import struct
import sys
from ipaddress import ip_address
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from vsocks.address import parse_ip, unmapped

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from vsocks.address import IPAddress

#: Sockets of one kind that are looked through: some milliseconds.
_MOST_SOCKETS: Final = 1024
#: Columns of a line there.
_LOCAL: Final = 1
_REMOTE: Final = 2
_USER: Final = 7


def users_of(
    kind: Literal["tcp", "udp"], local: tuple[Any, ...], remote: tuple[Any, ...] | None = None
) -> set[int] | None:
    """The users whose sockets may send from ``local``, and are connected to ``remote`` if given.

    Empty if there is no such socket on this machine; None if the system doesn't tell, or has so
    many sockets that it would take long to look.
    """
    ip = parse_ip(local[0])
    if sys.platform != "linux" or ip is None:
        return None
    ports = f"{local[1]:04X}", None if remote is None else f"{remote[1]:04X}"
    users: set[int] = set()
    told = False
    for version in "", "6":
        # A socket of IPv6 may be one of IPv4, too.
        with contextlib.suppress(OSError), Path(f"/proc/net/{kind}{version}").open() as file:
            lines = list(islice(file, 1, _MOST_SOCKETS + 2))
            if len(lines) > _MOST_SOCKETS:
                return None
            told = True
            users.update(_users(lines, unmapped(ip), *ports))
    return users if told else None


def _users(
    lines: Iterable[str], ip: IPAddress, local_port: str, remote_port: str | None
) -> Iterator[int]:
    for line in lines:
        columns = line.split()
        address, _, port = columns[_LOCAL].partition(":")
        if port != local_port:
            continue
        if remote_port is not None and not columns[_REMOTE].endswith(f":{remote_port}"):
            continue
        bound = _parse(address)
        if bound == ip or bound.is_unspecified:
            yield int(columns[_USER])


def _parse(text: str) -> IPAddress:
    """An address as it stands there: words of 32 bits in this machine's order of bytes."""
    words = struct.unpack(f">{len(text) // 8}I", bytes.fromhex(text))
    return unmapped(ip_address(struct.pack(f"={len(words)}I", *words)))
