"""Strings that are passed to and from Windows as pointers in structures."""

from __future__ import annotations

import sys

assert sys.platform == "win32"

import ctypes

_kernel32 = ctypes.WinDLL("kernel32")
_kernel32.GlobalFree.argtypes = [ctypes.c_void_p]


class WideString:
    """A string for Windows to read while this object lives."""

    def __init__(self, text: str | None) -> None:
        self._memory = None if text is None else ctypes.create_unicode_buffer(text)

    @property
    def address(self) -> int | None:
        """The address; None if there is no string."""
        return None if self._memory is None else ctypes.addressof(self._memory)


def take_string(address: int | None) -> str | None:
    """The string that Windows allocated for us in global memory; frees it."""
    if address is None:
        return None
    text = ctypes.wstring_at(address)
    _kernel32.GlobalFree(address)
    return text


def check(done: int) -> None:
    """Raise the last error as OSError unless the call is ``done``; for DLLs that keep it."""
    if not done:
        raise ctypes.WinError(ctypes.get_last_error())
