"""Datagram sockets that answer from the address that was asked; Linux only.

A socket at 0.0.0.0 or :: takes what is sent to any address of the machine, and the system chooses
the source of an answer by its route alone. Who asked 127.0.0.2 then drops what 127.0.0.1 answers.
"""

from __future__ import annotations

import socket
import struct
import sys
from typing import Any, Final

assert sys.platform == "linux"

#: ip(7); Python 3.11 has no name for it.
_IP_PKTINFO: Final = 8
#: The option that has the system tell, for each family; such a socket needs it.
TELLS: Final = {
    socket.AF_INET: (socket.IPPROTO_IP, _IP_PKTINFO),
    socket.AF_INET6: (socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO),
}
#: struct in_pktinfo: the interface, our address for an answer, and where it was sent to.
_PKTINFO: Final = struct.Struct("@i4s4s")
_ROOM: Final = socket.CMSG_SPACE(20)


class WildcardSocket(socket.socket):
    """A datagram socket whose sources, given to sendto(), name our address, too."""

    def recvfrom_into(self, buffer: memoryview, nbytes: int = 0, flags: int = 0) -> tuple[int, Any]:  # type: ignore[override]
        """As of any socket; the source is for sendto() alone."""
        room = buffer[: nbytes or None]
        size, told, _, source = self.recvmsg_into([room], _ROOM, flags)
        return size, (source, [_answering(*each) for each in told])

    def sendto(self, data: bytes | memoryview, source: tuple[Any, Any]) -> int:  # type: ignore[override]
        """Answer a source that recvfrom_into() has given."""
        client, ours = source
        return self.sendmsg([data], ours, 0, client)


def _answering(level: int, kind: int, data: bytes) -> tuple[int, int, bytes]:
    """What the system tells of a datagram, as what it is told of the answer."""
    if (level, kind) == (socket.IPPROTO_IP, _IP_PKTINFO):
        # Not by which interface: the route may lead through another one.
        _, ours, _ = _PKTINFO.unpack(data)
        data = _PKTINFO.pack(0, ours, bytes(4))
    return level, kind, data
