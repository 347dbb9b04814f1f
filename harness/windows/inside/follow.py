"""Prints a log file, and what is added to it until a process ends.

python follow.py LOG PID
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

POLL = 0.1


def is_running(pid: int) -> bool:
    """Whether there is such a process."""
    if sys.platform == "win32":
        import ctypes

        kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)
        kernel32.OpenProcess.restype = ctypes.c_void_p
        kernel32.WaitForSingleObject.argtypes = [ctypes.c_void_p, ctypes.c_uint32]
        kernel32.CloseHandle.argtypes = [ctypes.c_void_p]
        synchronize, timed_out = 0x00100000, 0x102
        handle = kernel32.OpenProcess(synchronize, False, pid)
        if not handle:
            return False
        try:
            return bool(kernel32.WaitForSingleObject(handle, 0) == timed_out)
        finally:
            kernel32.CloseHandle(handle)
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def follow(path: Path, pid: int) -> None:
    """Copy the file to stdout until the process has ended and all of it is copied."""
    with path.open("rb") as log:
        while True:
            last = not is_running(pid)  # looked at first: what it wrote until then is still read
            while data := log.read(65536):
                sys.stdout.buffer.write(data)
                sys.stdout.buffer.flush()
            if last:
                return
            time.sleep(POLL)


if __name__ == "__main__":
    follow(Path(sys.argv[1]), int(sys.argv[2]))
