"""WinINET's proxy settings: per user, for browsers and most programs.

The structures and numbers are those of wininet.h. Errors of Windows are raised as OSError.
"""

from __future__ import annotations

import sys

assert sys.platform == "win32"

import ctypes
from ctypes import wintypes
from dataclasses import dataclass, replace
from typing import Final

from vsocks.windows.texts import WideString, check, take_string

_INTERNET_OPTION_REFRESH: Final = 37
_INTERNET_OPTION_SETTINGS_CHANGED: Final = 39
_INTERNET_OPTION_PER_CONNECTION_OPTION: Final = 75

_INTERNET_PER_CONN_FLAGS: Final = 1
_INTERNET_PER_CONN_PROXY_SERVER: Final = 2
_INTERNET_PER_CONN_PROXY_BYPASS: Final = 3
_INTERNET_PER_CONN_AUTOCONFIG_URL: Final = 4
_INTERNET_PER_CONN_FLAGS_UI: Final = 10
_TEXTS: Final = (
    _INTERNET_PER_CONN_PROXY_SERVER,
    _INTERNET_PER_CONN_PROXY_BYPASS,
    _INTERNET_PER_CONN_AUTOCONFIG_URL,
)

PROXY_TYPE_DIRECT: Final = 1
PROXY_TYPE_PROXY: Final = 2
PROXY_TYPE_AUTO_PROXY_URL: Final = 4
PROXY_TYPE_AUTO_DETECT: Final = 8

_wininet = ctypes.WinDLL("wininet", use_last_error=True)


class _Value(ctypes.Union):
    _fields_ = (
        ("number", wintypes.DWORD),
        ("text", ctypes.c_void_p),
        ("time", wintypes.FILETIME),
    )


class _Option(ctypes.Structure):
    """INTERNET_PER_CONN_OPTIONW."""

    _fields_ = (("option", wintypes.DWORD), ("value", _Value))


class _OptionList(ctypes.Structure):
    """INTERNET_PER_CONN_OPTION_LISTW."""

    _fields_ = (
        ("size", wintypes.DWORD),
        # None is what is called LAN: every connection that isn't dialled.
        ("connection", wintypes.LPWSTR),
        ("count", wintypes.DWORD),
        ("error", wintypes.DWORD),
        ("options", ctypes.POINTER(_Option)),
    )


@dataclass(frozen=True, slots=True)
class UserSettings:
    """The proxy settings of a user."""

    #: PROXY_TYPE_…, which of the others are in use.
    flags: int
    proxy: str | None
    bypass: str | None
    script: str | None

    def with_proxy(self, server: str, bypass: str) -> UserSettings:
        """The same settings, with only this proxy in use."""
        flags = PROXY_TYPE_DIRECT | PROXY_TYPE_PROXY
        return replace(self, flags=flags, proxy=server, bypass=bypass)

    def with_script(self, url: str) -> UserSettings:
        """The same settings, with only this PAC file in use."""
        return replace(self, flags=PROXY_TYPE_DIRECT | PROXY_TYPE_AUTO_PROXY_URL, script=url)

    def is_by(self, ours: UserSettings) -> bool:
        """Whether the proxy, or PAC file, of ``ours`` is in use here."""
        in_use = self.flags & ours.flags
        if ours.flags & PROXY_TYPE_AUTO_PROXY_URL:
            return bool(in_use & PROXY_TYPE_AUTO_PROXY_URL) and self.script == ours.script
        return bool(in_use & PROXY_TYPE_PROXY) and self.proxy == ours.proxy

    def __str__(self) -> str:
        parts = []
        if self.flags & PROXY_TYPE_AUTO_DETECT:
            parts.append("automatic detection")
        if self.flags & PROXY_TYPE_AUTO_PROXY_URL:
            parts.append(f"the PAC file {self.script}")
        if self.flags & PROXY_TYPE_PROXY:
            but_for = f" but for {self.bypass}" if self.bypass else ""
            parts.append(f"the proxy {self.proxy}{but_for}")
        return ", ".join(parts) or "no proxy"


def query() -> UserSettings:
    """The settings as they are."""
    try:
        # What the user chose: WinINET takes AUTO_DETECT out of the others when it found nothing.
        (flags,) = _ask(_INTERNET_PER_CONN_FLAGS_UI)
    except OSError:
        # So says the documentation of INTERNET_PER_CONN_OPTION; Wine knows this one alone.
        (flags,) = _ask(_INTERNET_PER_CONN_FLAGS)
    proxy, bypass, script = (take_string(value.text) for value in _ask(*_TEXTS))
    return UserSettings(flags.number, proxy, bypass, script)


def change(settings: UserSettings) -> None:
    """Set them, and notify the programs that run."""
    texts = [WideString(text) for text in (settings.proxy, settings.bypass, settings.script)]
    asked = _list_of(_INTERNET_PER_CONN_FLAGS, *_TEXTS)
    asked.options[0].value.number = settings.flags
    for option, text in zip(asked.options[1 : asked.count], texts, strict=True):
        option.value.text = text.address
    check(
        _wininet.InternetSetOptionW(
            None,
            _INTERNET_OPTION_PER_CONNECTION_OPTION,
            ctypes.byref(asked),
            wintypes.DWORD(ctypes.sizeof(asked)),
        )
    )
    tell_programs()


def tell_programs() -> None:
    """Notify the programs that run; should this fail, they see it when they are started next."""
    for news in (_INTERNET_OPTION_SETTINGS_CHANGED, _INTERNET_OPTION_REFRESH):
        _wininet.InternetSetOptionW(None, news, None, 0)


def _ask(*numbers: int) -> list[_Value]:
    asked = _list_of(*numbers)
    size = wintypes.DWORD(ctypes.sizeof(asked))
    check(
        _wininet.InternetQueryOptionW(
            None,
            _INTERNET_OPTION_PER_CONNECTION_OPTION,
            ctypes.byref(asked),
            ctypes.byref(size),
        )
    )
    return [option.value for option in asked.options[: len(numbers)]]


def _list_of(*numbers: int) -> _OptionList:
    options = (_Option * len(numbers))(*(_Option(number) for number in numbers))
    return _OptionList(ctypes.sizeof(_OptionList), None, len(numbers), 0, options)
