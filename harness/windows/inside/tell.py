"""Speaking to the host: lines on the first serial port, which QEMU's side waits for."""

from __future__ import annotations

import os

CONSOLE = os.environ.get("VSOCKS_CONSOLE", r"\\.\COM1")


def tell(text: str) -> None:
    """Write one line on the serial console, and into our own log."""
    line = f"vsocks: {text}"
    print(line, flush=True)
    console = os.open(CONSOLE, os.O_WRONLY | os.O_APPEND | getattr(os, "O_BINARY", 0))
    try:
        os.write(console, f"{line}\r\n".encode("ascii", "backslashreplace"))
    finally:
        os.close(console)
