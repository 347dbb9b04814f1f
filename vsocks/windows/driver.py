"""The driver of virtio-serial ports: which one is there."""

from __future__ import annotations

import sys

assert sys.platform == "win32"

import ctypes
from ctypes import wintypes
from typing import TYPE_CHECKING, Final

from vsocks.windows.installed import system_folder

if TYPE_CHECKING:
    from pathlib import Path

#: Where virtio-win's vioser.inf puts it.
_DRIVER: Final = r"drivers\vioser.sys"

_version = ctypes.WinDLL("version", use_last_error=True)


class _FixedFileInfo(ctypes.Structure):
    """The begin of VS_FIXEDFILEINFO."""

    _fields_ = tuple(
        (name, wintypes.DWORD) for name in ("signature", "structure", "version_ms", "version_ls")
    )


def driver_version() -> str:
    """The version of the driver's file; "" if there is none, "unknown" if it doesn't say."""
    path = system_folder() / _DRIVER
    return (file_version(path) or "unknown") if path.exists() else ""


def file_version(path: Path) -> str:
    """The version in a file's resources, as its properties show it; "" if there is none."""
    size = _version.GetFileVersionInfoSizeW(str(path), None)
    resource = ctypes.create_string_buffer(size)
    if not _version.GetFileVersionInfoW(str(path), 0, wintypes.DWORD(size), resource):
        return ""
    found, length = ctypes.POINTER(_FixedFileInfo)(), wintypes.UINT(0)
    asked = (ctypes.byref(found), ctypes.byref(length))
    if not _version.VerQueryValueW(resource, "\\", *asked):
        return ""
    numbers = found.contents
    parts = (
        part for both in (numbers.version_ms, numbers.version_ls) for part in divmod(both, 1 << 16)
    )
    return ".".join(map(str, parts))
