"""Whether a process runs, and stopping or resuming it.

python -m inside.running PID [stop|continue]     status 0 if it runs, else 1
"""

from __future__ import annotations

import os
import sys
from typing import Any

SYNCHRONIZE, SUSPEND_RESUME = 0x00100000, 0x0800
TIMED_OUT = 0x102


def is_running(pid: int) -> bool:
    """Whether there is such a process."""
    if sys.platform == "win32":
        kernel32, handle = _opened(pid, SYNCHRONIZE)
        if not handle:
            return False
        running = kernel32.WaitForSingleObject(handle, 0) == TIMED_OUT
        kernel32.CloseHandle(handle)
        return bool(running)
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def suspend(pid: int, *, resume: bool) -> None:
    """What the signals STOP and CONT do elsewhere."""
    if sys.platform == "win32":
        import ctypes

        kernel32, handle = _opened(pid, SUSPEND_RESUME)
        ntdll: Any = ctypes.WinDLL("ntdll")
        change = ntdll.NtResumeProcess if resume else ntdll.NtSuspendProcess
        change.argtypes = [ctypes.c_void_p]
        if handle:
            change(handle)
            kernel32.CloseHandle(handle)


def _opened(pid: int, access: int) -> tuple[Any, Any]:
    if sys.platform == "win32":
        import ctypes

        kernel32: Any = ctypes.WinDLL("kernel32", use_last_error=True)
        kernel32.OpenProcess.restype = ctypes.c_void_p
        kernel32.WaitForSingleObject.argtypes = [ctypes.c_void_p, ctypes.c_uint32]
        kernel32.CloseHandle.argtypes = [ctypes.c_void_p]
        return kernel32, kernel32.OpenProcess(access, False, pid)
    raise NotImplementedError


def main() -> int:
    """As the module's text says."""
    pid = int(sys.argv[1])
    if sys.argv[2:]:
        suspend(pid, resume=sys.argv[2] == "continue")
    return 0 if is_running(pid) else 1


if __name__ == "__main__":
    sys.exit(main())
