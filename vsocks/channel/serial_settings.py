"""Settings of a COM port: bytes pass unchanged, and a read returns as soon as there are any."""

from __future__ import annotations

import sys

assert sys.platform == "win32"

import ctypes
from ctypes import wintypes
from typing import Final

_MAXDWORD: Final = 0xFFFFFFFF
#: "As long as it takes", in milliseconds, for a read.
_LONG: Final = _MAXDWORD - 1
#: Bytes that the driver keeps in each direction.
_QUEUE: Final = 64 * 1024

_kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)


class _DeviceControlBlock(ctypes.Structure):
    """DCB, winbase.h."""

    _fields_ = (
        ("length", wintypes.DWORD),
        ("baudrate", wintypes.DWORD),
        ("flags", wintypes.DWORD),
        ("reserved", wintypes.WORD),
        ("xon_limit", wintypes.WORD),
        ("xoff_limit", wintypes.WORD),
        ("byte_size", wintypes.BYTE),
        ("parity", wintypes.BYTE),
        ("stop_bits", wintypes.BYTE),
        ("characters", wintypes.BYTE * 5),
        ("reserved_too", wintypes.WORD),
    )


class _Timeouts(ctypes.Structure):
    """COMMTIMEOUTS, winbase.h; milliseconds."""

    _fields_ = (
        ("read_interval", wintypes.DWORD),
        ("read_multiplier", wintypes.DWORD),
        ("read_constant", wintypes.DWORD),
        ("write_multiplier", wintypes.DWORD),
        ("write_constant", wintypes.DWORD),
    )


def set_up_line(handle: int, baudrate: int) -> None:
    """8 data bits, no parity, 1 stop bit, no flow control. Raises OSError if it is no COM port."""
    line = wintypes.HANDLE(handle)
    settings = _DeviceControlBlock()
    settings.length = ctypes.sizeof(settings)
    text = f"baud={baudrate} parity=N data=8 stop=1 xon=off odsr=off octs=off dtr=on rts=on"
    _check(_kernel32.SetupComm(line, _QUEUE, _QUEUE))
    _check(_kernel32.GetCommState(line, ctypes.byref(settings)))
    _check(_kernel32.BuildCommDCBW(text, ctypes.byref(settings)))
    _check(_kernel32.SetCommState(line, ctypes.byref(settings)))
    _check(_kernel32.SetCommTimeouts(line, ctypes.byref(_timeouts())))


def _timeouts() -> _Timeouts:
    if is_wine():
        # Wine 8 never ends a read with the setting below. This one ends it 1 ms after a byte.
        return _Timeouts(read_interval=1)
    # A read returns with what there is, or with the first byte that comes (COMMTIMEOUTS, remarks).
    return _Timeouts(_MAXDWORD, _MAXDWORD, _LONG, 0, 0)


def is_wine() -> bool:
    """Whether this Windows is Wine: only Wine's ntdll has a version of Wine."""
    return hasattr(ctypes.WinDLL("ntdll"), "wine_get_version")


def _check(done: int) -> None:
    if not done:
        raise ctypes.WinError(ctypes.get_last_error())
