"""A session in the original format, and an original peer of it.

From the words of the original project:

    struct { uint16_t connId; uint16_t length; uint8_t data[]; }

"When a new connection is established, the first packet contains the SOCKS connection request
information (address type, address, port). Subsequent packets for that connection ID contain
raw data." A length of 0 closes. "Fixed buffer sizes (4KB per connection by default)."
"""

from __future__ import annotations

import struct

from tests.unit.protocol.peer import kept
from vsocks.protocol.events import Opened, SessionEvent
from vsocks.protocol.handshake import Role
from vsocks.protocol.original import OriginalSession
from vsocks.protocol.streams import Stream

STREAMS = 4
WINDOW = 0xFFFF
#: Requests for 10.1.2.3 port 443, example.com port 80, and ::1 port 80.
BY_IP = b"\x01\x0a\x01\x02\x03\x01\xbb"
BY_NAME = b"\x03\x0bexample.com\x00\x50"
BY_IPV6 = b"\x04" + bytes(15) + b"\x01\x00\x50"


def packet(number: int, data: bytes = b"") -> bytes:
    return struct.pack("<HH", number, len(data)) + data


def packets(data: bytes) -> list[tuple[int, bytes]]:
    """Read them as an original peer would."""
    found = []
    while data:
        number, length = struct.unpack_from("<HH", data)
        assert length <= 4096
        found.append((number, data[4 : 4 + length]))
        data = data[4 + length :]
    return found


class OriginalPeer:
    """An original peer of a session."""

    def __init__(self, role: Role, **options: object) -> None:
        self.session = OriginalSession(role, max_streams=STREAMS, window=WINDOW, **options)  # type: ignore[arg-type]
        self.now = 0.0
        self.rest = b""

    def say(self, *data: bytes) -> list[SessionEvent]:
        """What the session makes of some bytes; what it doesn't take is kept for the next time."""
        self.rest += b"".join(data)
        events = [kept(event) for event in self.session.receive(memoryview(self.rest), self.now)]
        self.rest = self.rest[self.session.taken :]
        return events

    def hear(self) -> list[tuple[int, bytes]]:
        out = memoryview(bytearray(1 << 20))
        return packets(bytes(out[: self.session.write_into(out, self.now)]))

    def opened(self, number: int) -> Stream:
        [event] = self.say(packet(number, BY_IP))
        assert isinstance(event, Opened)
        return event.stream
