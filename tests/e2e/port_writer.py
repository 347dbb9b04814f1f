"""Runs in the guest: write a file into a virtio-serial port, as a daemon that then dies would.

python3 -m tests.e2e.port_writer FILE PORT
"""

from __future__ import annotations

import sys
from pathlib import Path


def main() -> None:
    source, port = sys.argv[1:]
    with open(port, "wb", buffering=0) as sink:  # noqa: PTH123 - a port of Windows is no path
        rest = memoryview(Path(source).read_bytes())
        while rest:
            rest = rest[sink.write(rest[:32768]) :]


if __name__ == "__main__":
    main()
