"""Runs in the guest: uploads without end through SOCKS, again and again, whatever happens.

python3 -m tests.e2e.uploader SOCKS_PORT HOST PORT STREAM
"""

from __future__ import annotations

import sys
import time

from tests.e2e.truth import BLOCK, HEADER, Mode
from tests.support import socks
from tests.support.pattern import pattern
from tests.support.socks_messages import RefusedError

PAUSE = 0.05
"""Seconds before the next attempt."""


def upload(socks_port: int, target: tuple[str, int], stream: int) -> None:
    with socks.connect(("127.0.0.1", socks_port), target) as sock:
        sock.sendall(HEADER.pack(Mode.UP.value, stream, 0))
        sent = 0
        while True:
            sock.sendall(pattern(stream, sent, BLOCK))
            sent += BLOCK


def main() -> None:
    socks_port, host, port, stream = sys.argv[1:]
    while True:
        try:
            upload(int(socks_port), (host, int(port)), int(stream))
        except (OSError, EOFError, RefusedError):
            time.sleep(PAUSE)


if __name__ == "__main__":
    main()
