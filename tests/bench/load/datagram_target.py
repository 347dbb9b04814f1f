"""The target of datagrams: echoes them, or counts them, as their first byte says.

python -m load.datagram_target  prints "listening on 127.0.0.1:PORT" and serves until it is killed
"""

import socket
import struct
import time

from .datagrams import LONGEST
from .server import announce

ECHO = b"E"
"""Send it back."""
COUNT = b"C"
"""Say nothing."""
ASK = b"A"
"""Send it back with a TALLY of those that were counted since this was last asked."""
TALLY = struct.Struct("!Qd")
"""How many, and seconds from the first to the last."""

RECEIVE_BUFFER = 4 * 1024 * 1024
"""Bytes of the kernel's that we would like: what is lost is to be lost elsewhere."""


def serve(sock: socket.socket) -> None:
    buffer = bytearray(LONGEST)
    view = memoryview(buffer)
    count, first, last = 0, 0.0, 0.0
    while True:
        size, source = sock.recvfrom_into(buffer)
        what = buffer[:1]
        if what == COUNT:
            last = time.perf_counter()
            first = last if not count else first
            count += 1
        elif what == ECHO:
            sock.sendto(view[:size], source)
        elif what == ASK:
            sock.sendto(b"".join((view[:size], TALLY.pack(count, last - first))), source)
            count = 0


def main() -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        sock.bind(("127.0.0.1", 0))
        announce(sock)
        serve(sock)


if __name__ == "__main__":
    main()
