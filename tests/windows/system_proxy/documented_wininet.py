"""WinINET's proxy options by their documentation (wininet.h, INTERNET_PER_CONN_OPTION).

Wine 8 stores neither the bypass list nor the PAC file, and knows no INTERNET_PER_CONN_FLAGS_UI. So
this stands in for it, called as the DLL is, with addresses; it reads the structures by their layout
in 64-bit Windows.
"""

from __future__ import annotations

import ctypes
import struct
import sys

assert sys.platform == "win32"

from ctypes import wintypes

ERROR_INVALID_PARAMETER = 87
ERROR_INTERNAL_ERROR = 1359
REFRESH, SETTINGS_CHANGED, PER_CONNECTION_OPTION = 37, 39, 75
FLAGS, PROXY_SERVER, PROXY_BYPASS, AUTOCONFIG_URL, FLAGS_UI = 1, 2, 3, 4, 10
DIRECT, PROXY, AUTO_PROXY_URL, AUTO_DETECT = 1, 2, 4, 8

#: dwSize, pszConnection, dwOptionCount, dwOptionError, pOptions.
LIST = struct.Struct("<I4xQIIQ")
#: dwOption, Value.
OPTION = struct.Struct("<I4xQ")

kernel32 = ctypes.WinDLL("kernel32")
kernel32.GlobalAlloc.restype = ctypes.c_void_p


class DocumentedWinInet:
    """Has settings of its own; what programs were told is in `told`."""

    def __init__(self) -> None:
        self.flags = DIRECT
        self.texts: dict[int, str | None] = {}
        self.told: list[int] = []
        #: The error of every call that sets something; 0 for none.
        self.refusal = 0
        #: Fail half-way through the next call that sets something, and at each after it.
        self.breaks = False
        #: Take settings and keep the old ones, as under a group policy.
        self.has_policy = False
        number, address = wintypes.DWORD, ctypes.c_void_p
        self.InternetQueryOptionW = ctypes.WINFUNCTYPE(
            wintypes.BOOL, address, number, address, address
        )(self._query_option)
        self.InternetSetOptionW = ctypes.WINFUNCTYPE(
            wintypes.BOOL, address, number, address, number
        )(self._set_option)

    def _query_option(self, handle: int | None, option: int, buffer: int, size: int) -> int:
        assert (handle, option) == (None, PER_CONNECTION_OPTION)
        assert ctypes.c_uint32.from_address(size).value == LIST.size
        for number, _, value in options_of(buffer):
            if number == FLAGS_UI:
                ctypes.c_uint32.from_address(value).value = self.flags
            elif number == FLAGS:
                # As after a detection that has found nothing.
                ctypes.c_uint32.from_address(value).value = self.flags & ~AUTO_DETECT
            elif number in {PROXY_SERVER, PROXY_BYPASS, AUTOCONFIG_URL}:
                ctypes.c_uint64.from_address(value).value = in_global_memory(self.texts.get(number))
            else:
                return refused(ERROR_INVALID_PARAMETER)
        return 1

    def _set_option(self, handle: int | None, option: int, buffer: int | None, size: int) -> int:
        assert handle is None
        if option in {REFRESH, SETTINGS_CHANGED}:
            assert (buffer, size) == (None, 0)
            self.told.append(option)
            return 1
        assert (option, size) == (PER_CONNECTION_OPTION, LIST.size)
        assert buffer
        if self.refusal:
            return refused(self.refusal)
        if self.has_policy:
            return 1
        for number, value, _ in options_of(buffer):
            if number == FLAGS:
                self.flags = (value & 0xFFFFFFFF) | DIRECT
                if self.breaks:
                    self.refusal = ERROR_INTERNAL_ERROR
                    return refused(self.refusal)
            elif number in {PROXY_SERVER, PROXY_BYPASS, AUTOCONFIG_URL}:
                self.texts[number] = ctypes.wstring_at(value) if value else None
            else:
                return refused(ERROR_INVALID_PARAMETER)
        return 1


def options_of(buffer: int) -> list[tuple[int, int, int]]:
    """Of INTERNET_PER_CONN_OPTION_LISTW: each option's number, its value, and where that is."""
    size, connection, count, _, options = LIST.unpack(ctypes.string_at(buffer, LIST.size))
    assert (size, connection) == (LIST.size, 0)
    return [
        (*OPTION.unpack(ctypes.string_at(address, OPTION.size)), address + 8)
        for address in range(options, options + count * OPTION.size, OPTION.size)
    ]


def in_global_memory(text: str | None) -> int:
    """The address of a copy that the caller is to free."""
    if text is None:
        return 0
    data = text.encode("utf-16-le") + b"\0\0"
    address: int = kernel32.GlobalAlloc(0, len(data))
    ctypes.memmove(address, data, len(data))
    return address


def refused(error: int) -> int:
    ctypes.set_last_error(error)
    return 0
