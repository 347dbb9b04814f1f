"""WinHTTP's proxy settings: per machine, for services and Windows Update.

`netsh winhttp` shows and sets the same. The structure and numbers are those of winhttp.h. Errors of
Windows are raised as OSError.
"""

from __future__ import annotations

import sys

assert sys.platform == "win32"

import ctypes
from ctypes import wintypes
from dataclasses import dataclass
from typing import Final

from vsocks.windows.texts import WideString, check, take_string

WINHTTP_ACCESS_TYPE_NAMED_PROXY: Final = 3

_winhttp = ctypes.WinDLL("winhttp", use_last_error=True)


class _ProxyInfo(ctypes.Structure):
    """WINHTTP_PROXY_INFO."""

    _fields_ = (
        ("access", wintypes.DWORD),
        ("proxy", ctypes.c_void_p),
        ("bypass", ctypes.c_void_p),
    )


@dataclass(frozen=True, slots=True)
class MachineSettings:
    """The proxy settings of a machine."""

    #: WINHTTP_ACCESS_TYPE_…
    access: int
    proxy: str | None
    bypass: str | None

    def with_proxy(self, server: str, bypass: str) -> MachineSettings:
        """Settings with this proxy in use; nothing of the old ones stays."""
        return MachineSettings(WINHTTP_ACCESS_TYPE_NAMED_PROXY, server, bypass)

    def is_by(self, ours: MachineSettings) -> bool:
        """Whether the proxy of ``ours`` is in use here."""
        return (self.access, self.proxy) == (ours.access, ours.proxy)

    def __str__(self) -> str:
        if self.access != WINHTTP_ACCESS_TYPE_NAMED_PROXY:
            return "no proxy"
        but_for = f" but for {self.bypass}" if self.bypass else ""
        return f"the proxy {self.proxy}{but_for}"


def query() -> MachineSettings:
    """The settings as they are."""
    info = _ProxyInfo()
    check(_winhttp.WinHttpGetDefaultProxyConfiguration(ctypes.byref(info)))
    return MachineSettings(info.access, take_string(info.proxy), take_string(info.bypass))


def change(settings: MachineSettings) -> None:
    """Set them; raises PermissionError if we aren't administrator."""
    proxy, bypass = WideString(settings.proxy), WideString(settings.bypass)
    info = _ProxyInfo(settings.access, proxy.address, bypass.address)
    check(_winhttp.WinHttpSetDefaultProxyConfiguration(ctypes.byref(info)))
