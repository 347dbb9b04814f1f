"""Runs in the guest: write a file into a virtio-serial port, as a daemon that then dies would.

python3 -m tests.e2e.port_writer FILE PORT
"""

from __future__ import annotations

import sys
from pathlib import Path

CHUNK = 32 * 1024

if sys.platform == "win32":
    import _winapi

    def write(port: str, data: bytes) -> None:
        # Python's open() asks a device things that the driver doesn't know.
        handle = _winapi.CreateFile(port, _winapi.GENERIC_WRITE, 0, 0, _winapi.OPEN_EXISTING, 0, 0)
        while data:
            written, _ = _winapi.WriteFile(handle, data[:CHUNK])
            data = data[written:]
        _winapi.CloseHandle(handle)

else:

    def write(port: str, data: bytes) -> None:
        with Path(port).open("wb", buffering=0) as sink:
            while data:
                data = data[sink.write(data[:CHUNK]) :]


def main() -> None:
    source, port = sys.argv[1:]
    write(port, Path(source).read_bytes())


if __name__ == "__main__":
    main()
