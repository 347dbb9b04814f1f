r"""The proxy settings of all users of a machine, which take the place of each user's own.

With the policy ProxySettingsPerUser=0, WinINET looks below HKEY_LOCAL_MACHINE for what is else
below HKEY_CURRENT_USER, in the same form. The form of DefaultConnectionSettings isn't documented:
version, counter, flags, then three texts with their lengths, then zeros. Programs of 32 bits have
a place of their own, which also has their WinHTTP's settings. Errors of Windows are raised as
OSError.
"""

from __future__ import annotations

import sys

assert sys.platform == "win32"

import contextlib
import struct
import winreg
from dataclasses import dataclass
from typing import Final

from vsocks.windows.wininet import (
    PROXY_TYPE_AUTO_PROXY_URL,
    PROXY_TYPE_DIRECT,
    PROXY_TYPE_PROXY,
)

_POLICY: Final = r"SOFTWARE\Policies\Microsoft\Windows\CurrentVersion\Internet Settings"
_PER_USER: Final = "ProxySettingsPerUser"
_SETTINGS: Final = r"SOFTWARE\Microsoft\Windows\CurrentVersion\Internet Settings"
_CONNECTIONS: Final = rf"{_SETTINGS}\Connections"
#: The blob, and its twin for connections other than the default one.
_BLOBS: Final = ("DefaultConnectionSettings", "SavedLegacySettings")
_TEXTS: Final = ("ProxyServer", "ProxyOverride", "AutoConfigURL")
_ENABLE: Final = "ProxyEnable"
_WINHTTP: Final = "WinHttpSettings"
_BLOB_VERSION: Final = 0x46
_BLOB_END: Final = bytes(32)
_VIEWS: Final = (winreg.KEY_WOW64_64KEY, winreg.KEY_WOW64_32KEY)
AS_64_BITS: Final = "what 64-bit programs have"

Value = int | str | None
"""Of the registry: a number, a text, bytes as hexadecimal digits after "hex:", None for nothing."""


@dataclass(frozen=True, slots=True)
class AllUsersSettings:
    """All that is set for all users."""

    #: The policy.
    per_user: Value
    #: WinINET's values in the view of 64-bit programs, and in that of 32-bit ones.
    values: list[list[Value]]
    #: WinHTTP's value in the view of 32-bit programs, or AS_64_BITS.
    winhttp_32: Value

    def with_proxy(self, server: str, bypass: str) -> AllUsersSettings:
        """Settings with only this proxy in use, in both views."""
        flags = PROXY_TYPE_DIRECT | PROXY_TYPE_PROXY
        return self._with(flags, server, bypass, None)

    def with_script(self, url: str) -> AllUsersSettings:
        """Settings with only this PAC file in use, in both views."""
        return self._with(PROXY_TYPE_DIRECT | PROXY_TYPE_AUTO_PROXY_URL, None, None, url)

    def _with(
        self, flags: int, server: str | None, bypass: str | None, script: str | None
    ) -> AllUsersSettings:
        blob = "hex:" + connection_settings(flags, server, bypass, script).hex()
        enable = int(bool(flags & PROXY_TYPE_PROXY))
        values: list[Value] = [enable, server, bypass, script, blob, blob]
        return AllUsersSettings(0, [list(values) for _ in _VIEWS], AS_64_BITS)

    def is_by(self, ours: AllUsersSettings) -> bool:
        """Whether the proxy, or PAC file, of ``ours`` is in use here."""
        return (self.per_user, self.values[0][:4]) == (ours.per_user, ours.values[0][:4])

    def __str__(self) -> str:
        if self.per_user != 0:
            return "each user has settings of his own"
        enable, server, bypass, script = self.values[0][:4]
        if script:
            return f"the PAC file {script}"
        but_for = f" but for {bypass}" if bypass else ""
        return f"the proxy {server}{but_for}" if enable and server else "no proxy"


def connection_settings(
    flags: int, server: str | None, bypass: str | None, script: str | None
) -> bytes:
    """The value DefaultConnectionSettings."""
    blob = struct.pack("<III", _BLOB_VERSION, 1, flags)
    for text in (server, bypass, script):
        # Characters outside ASCII have no place in it; our own texts have none.
        data = (text or "").encode("ascii")
        blob += struct.pack("<I", len(data)) + data
    return blob + _BLOB_END


def query() -> AllUsersSettings:
    """The settings as they are."""
    (per_user,) = _read(_POLICY, 0, _PER_USER)
    values = [
        [*_read(_SETTINGS, view, _ENABLE, *_TEXTS), *_read(_CONNECTIONS, view, *_BLOBS)]
        for view in _VIEWS
    ]
    return AllUsersSettings(per_user, values, *_read(_CONNECTIONS, _VIEWS[1], _WINHTTP))


def change(settings: AllUsersSettings) -> None:
    """Set them; raises PermissionError if we aren't administrator."""
    # The policy comes last, and goes first: with it, what it points to is whole.
    if settings.per_user != 0:
        _write(_POLICY, 0, {_PER_USER: settings.per_user})
    for view, values in zip(_VIEWS, settings.values, strict=True):
        names = (_ENABLE, *_TEXTS)
        _write(_SETTINGS, view, dict(zip(names, values[: len(names)], strict=True)))
        _write(_CONNECTIONS, view, dict(zip(_BLOBS, values[len(names) :], strict=True)))
    winhttp = settings.winhttp_32
    if winhttp == AS_64_BITS:
        (winhttp,) = _read(_CONNECTIONS, _VIEWS[0], _WINHTTP)
    _write(_CONNECTIONS, _VIEWS[1], {_WINHTTP: winhttp})
    if settings.per_user == 0:
        _write(_POLICY, 0, {_PER_USER: 0})


def _read(key: str, view: int, *names: str) -> list[Value]:
    found: list[Value] = []
    for name in names:
        try:
            with winreg.OpenKey(
                winreg.HKEY_LOCAL_MACHINE, key, 0, winreg.KEY_READ | view
            ) as opened:
                value, _ = winreg.QueryValueEx(opened, name)
        except FileNotFoundError:
            value = None
        found.append("hex:" + value.hex() if isinstance(value, bytes) else value)
    return found


def _write(key: str, view: int, values: dict[str, Value]) -> None:
    access = winreg.KEY_READ | winreg.KEY_WRITE | view
    with winreg.CreateKeyEx(winreg.HKEY_LOCAL_MACHINE, key, 0, access) as opened:
        for name, value in values.items():
            if value is None:
                with contextlib.suppress(FileNotFoundError):
                    winreg.DeleteValue(opened, name)
            elif isinstance(value, int):
                winreg.SetValueEx(opened, name, 0, winreg.REG_DWORD, value)
            elif value.startswith("hex:"):
                winreg.SetValueEx(opened, name, 0, winreg.REG_BINARY, bytes.fromhex(value[4:]))
            else:
                winreg.SetValueEx(opened, name, 0, winreg.REG_SZ, value)
