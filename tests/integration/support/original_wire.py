"""The original project's wire, written from its README alone; nothing of vsocks is used here.

    struct {
        uint16_t connId;   // Connection ID (0-63)
        uint16_t length;   // Length of data following this header
        uint8_t data[];    // Variable-length data payload
    }

The first packet of a connection is the SOCKS connection request information: address type,
address, port. Subsequent packets carry raw data. A packet of length 0 closes the connection.
"""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import struct
import threading
from collections.abc import Iterator

HEADER = struct.Struct("<HH")
CONNECTIONS = 64
BUFFER = 4096
"""The README's "fixed buffer sizes (4KB per connection by default)": longer data has no room."""

IPV4, NAME, IPV6 = 1, 3, 4


class WireError(Exception):
    """The peer sent what an original program could not take."""


class Wire:
    """Packets over a connected stream socket; sending is safe from several threads."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._sending = threading.Lock()

    def send(self, conn_id: int, data: bytes) -> None:
        """One packet; no data means close. A channel that is gone is not the sender's concern."""
        with self._sending, contextlib.suppress(OSError):
            self._channel.sendall(HEADER.pack(conn_id, len(data)) + data)

    def packets(self) -> Iterator[tuple[int, bytes]]:
        """What arrives until the channel ends: connection id and data.

        Packets for connections that can't exist are skipped, as any program must that keeps its
        connections in an array.
        """
        while header := self._take(HEADER.size):
            conn_id, length = HEADER.unpack(header)
            data = self._take(length) if length else b""
            if conn_id >= CONNECTIONS:
                continue
            if length > BUFFER:
                raise WireError(f"{length} bytes for connection {conn_id}: over {BUFFER}")
            yield conn_id, data

    def _take(self, count: int) -> bytes:
        """`count` bytes, or none if the channel ends."""
        parts: list[bytes] = []
        while count:
            try:
                data = self._channel.recv(count)
            except OSError:
                return b""
            if not data:
                return b""
            parts.append(data)
            count -= len(data)
        return b"".join(parts)


def encode_target(host: str, port: int) -> bytes:
    """Address type, address, port, as in a SOCKS5 request."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        name = host.encode()
        return bytes((NAME, len(name))) + name + struct.pack(">H", port)
    kind = IPV4 if address.version == 4 else IPV6
    return bytes((kind,)) + address.packed + struct.pack(">H", port)


def decode_target(data: bytes) -> tuple[str, int]:
    """The host and port of a first packet."""
    match data[0]:
        case 1:
            host, rest = str(ipaddress.IPv4Address(data[1:5])), data[5:]
        case 3:
            host, rest = data[2 : 2 + data[1]].decode(), data[2 + data[1] :]
        case 4:
            host, rest = str(ipaddress.IPv6Address(data[1:17])), data[17:]
        case kind:
            raise WireError(f"address type {kind}")
    if len(rest) != 2:
        raise WireError(f"{len(rest)} bytes where the port should be")
    return host, int.from_bytes(rest, "big")
