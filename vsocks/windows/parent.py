"""The one-file program runs as two processes: one unpacks and waits, the other is the daemon.

Ending the first, in the task manager for example, must end the second.
"""

from __future__ import annotations

import sys

assert sys.platform == "win32"

import _thread
import _winapi
import ctypes
import signal
import threading
from pathlib import Path
from typing import Final

_SYNCHRONIZE: Final = 0x00100000
_PROCESS_BASIC_INFORMATION: Final = 0


def end_with_parent() -> None:
    """In the one-file form, end as by Ctrl-C when the process that unpacked us ends."""
    unpacked = getattr(sys, "_MEIPASS", None)
    if unpacked is None or Path(sys.executable).parent in Path(unpacked).parents:
        return
    try:
        parent = _winapi.OpenProcess(_SYNCHRONIZE, False, parents_id())
    except OSError:
        return  # it may not be watched
    threading.Thread(target=_watch, args=(parent,), name="parent", daemon=True).start()


class _ProcessBasicInformation(ctypes.Structure):
    """PROCESS_BASIC_INFORMATION, as NtQueryInformationProcess gives it."""

    _fields_ = (
        ("exit_status", ctypes.c_void_p),
        ("peb", ctypes.c_void_p),
        ("affinity", ctypes.c_void_p),
        ("priority", ctypes.c_void_p),
        ("process_id", ctypes.c_void_p),
        ("parent_id", ctypes.c_void_p),
    )


def parents_id() -> int:
    """The parent's id; 0 if there is none to be had.

    Not by os.getppid(): that of Python 3.12 takes a snapshot of the process, which Wine 8 can't.
    """
    told = _ProcessBasicInformation()
    ctypes.WinDLL("ntdll").NtQueryInformationProcess(
        ctypes.c_void_p(_winapi.GetCurrentProcess()),
        _PROCESS_BASIC_INFORMATION,
        ctypes.byref(told),
        ctypes.sizeof(told),
        None,
    )
    return told.parent_id or 0


def _watch(parent: int) -> None:
    _winapi.WaitForSingleObject(parent, _winapi.INFINITE)
    _thread.interrupt_main(signal.SIGINT)
