"""Texts that pass by their address between us and Windows, inside structures."""

from __future__ import annotations

import sys

assert sys.platform == "win32"

import ctypes

_kernel32 = ctypes.WinDLL("kernel32")
_kernel32.GlobalFree.argtypes = [ctypes.c_void_p]


class WideString:
    """A text for Windows to read, for as long as this lives."""

    def __init__(self, text: str | None) -> None:
        self._memory = None if text is None else ctypes.create_unicode_buffer(text)

    @property
    def address(self) -> int | None:
        """None if there is no text."""
        return None if self._memory is None else ctypes.addressof(self._memory)


def take_string(address: int | None) -> str | None:
    """The text that Windows has put into global memory for us, which is freed."""
    if address is None:
        return None
    text = ctypes.wstring_at(address)
    _kernel32.GlobalFree(address)
    return text


def check(done: int) -> None:
    """Raise what Windows says, as OSError, unless the call is ``done``; for DLLs that keep it."""
    if not done:
        raise ctypes.WinError(ctypes.get_last_error())
