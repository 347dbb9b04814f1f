"""Which user of this machine a socket belongs to: Linux tells by sock_diag(7), one at a time.

The tables in /proc/net would do, too, but are made anew for each reader, whatever their length.
"""

from __future__ import annotations

import socket
import struct
import sys
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from vsocks.address import parse_ip, unmapped

if TYPE_CHECKING:
    from vsocks.address import IPAddress

# linux/netlink.h, linux/sock_diag.h
_SOCK_DIAG: Final = 4
_BY_FAMILY: Final = 20
_REQUEST: Final = 1
#: Size, kind, flags, number and sender of a message.
_HEADER: Final = struct.Struct("=IHHII")
# linux/inet_diag.h: struct inet_diag_req_v2, inet_diag_sockid and inet_diag_msg.
_ASK: Final = struct.Struct("=BBBxI")
_SOCKET: Final = struct.Struct(">2s2s16s16s4s8s")
_TELL: Final = struct.Struct(f"=Bxxx{_SOCKET.size}s12xII")
_ANY_STATE: Final = 0xFFFFFFFF
_ANY_INTERFACE: Final = bytes(4)
_ANY_COOKIE: Final = b"\xff" * 8
_MOST: Final = 4096


class _End(NamedTuple):
    """One end of a conversation, in bytes as the system has them."""

    ip: IPAddress
    port: bytes

    @property
    def address(self) -> bytes:
        return self.ip.packed.ljust(16, b"\0")


def users_of(
    kind: socket.SocketKind, theirs: tuple[Any, ...], ours: tuple[Any, ...]
) -> set[int] | None:
    """The user whose socket sends from ``theirs`` to ``ours``, which is a socket of this process.

    Empty if that is no socket of this machine, None if the system doesn't tell. It costs 0.03 ms.
    """
    there, here = _end_of(theirs), _end_of(ours)
    if there is None or here is None:
        return None
    protocol = socket.IPPROTO_TCP if kind == socket.SOCK_STREAM else socket.IPPROTO_UDP
    # Some kernels take the ends of a datagram socket for each other, so both orders are asked for;
    # one of them finds our own socket, if the system tells of any.
    told = [_ask(protocol, there, here), _ask(protocol, here, there)]
    if not any(told):
        return None
    return {user for end, user in filter(None, told) if _is_at(end, there)}


def _end_of(address: tuple[Any, ...]) -> _End | None:
    ip = parse_ip(address[0])
    return None if ip is None else _End(unmapped(ip), struct.pack(">H", address[1]))


def _is_at(bound: _End, end: _End) -> bool:
    """Whether a socket that is bound there has that end."""
    return bound.port == end.port and (bound.ip == end.ip or bound.ip.is_unspecified)


def _ask(protocol: int, local: _End, remote: _End) -> tuple[_End, int] | None:
    """Where the socket with these ends is bound, and whose it is; None if there is none."""
    if sys.platform != "linux":
        return None
    which = _SOCKET.pack(
        *(local.port, remote.port, local.address, remote.address), _ANY_INTERFACE, _ANY_COOKIE
    )
    family = socket.AF_INET if local.ip.version == 4 else socket.AF_INET6
    request = _ASK.pack(family, protocol, 0, _ANY_STATE) + which
    head = _HEADER.pack(_HEADER.size + len(request), _BY_FAMILY, _REQUEST, 0, 0)
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _SOCK_DIAG) as kernel:
            # It answers within the call.
            kernel.setblocking(False)
            kernel.send(head + request)
            answer = kernel.recv(_MOST)
    except OSError:
        return None
    _, what, *_ = _HEADER.unpack_from(answer)
    if what != _BY_FAMILY:
        return None
    family, found, user, _ = _TELL.unpack_from(answer, _HEADER.size)
    port, _, address, *_ = _SOCKET.unpack(found)
    ip = parse_ip(socket.inet_ntop(family, address[: 4 if family == socket.AF_INET else 16]))
    assert ip is not None
    return _End(unmapped(ip), port), user
