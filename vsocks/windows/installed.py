"""The program's own folder, and that of its logs.

A service runs as LocalSystem, so an ordinary user must not be able to write to either. What is
installed is a copy under Program Files, and only the system and administrators can write to the log
folder.
"""

from __future__ import annotations

import sys

assert sys.platform == "win32"

import ctypes
import shutil
from ctypes import wintypes
from pathlib import Path
from typing import Final

from vsocks.errors import VsocksError, describe

_PROGRAM: Final = "vsocks-guest.exe"
#: In the one-file form, where PyInstaller has unpacked the program of the folder form.
_FOLDER_FORM: Final = "service"
#: Full access for SYSTEM and Administrators, reading for users, nothing inherited from above.
_PROTECTED: Final = "O:BAD:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;OICI;0x1200a9;;;BU)"
_OWNER_AND_ACCESS: Final = 0x00000001 | 0x00000004
_MOVEFILE_DELAY_UNTIL_REBOOT: Final = 4
_CSIDL_COMMON_APPDATA: Final = 0x23
_CSIDL_PROGRAM_FILES: Final = 0x26

_advapi32 = ctypes.WinDLL("advapi32", use_last_error=True)
_shell32 = ctypes.WinDLL("shell32")
_kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)
_kernel32.LocalFree.argtypes = [ctypes.c_void_p]


class InstallError(VsocksError):
    """The program can't be installed; the text says why."""


def program_folder() -> Path:
    """Where the installed copy is."""
    return _known_folder(_CSIDL_PROGRAM_FILES) / "vsocks"


def log_folder() -> Path:
    """Where the service writes its log."""
    return _known_folder(_CSIDL_COMMON_APPDATA) / "vsocks"


def _known_folder(number: int) -> Path:
    """Ask the system: the environment of a service may differ."""
    path = ctypes.create_unicode_buffer(wintypes.MAX_PATH)
    failed = _shell32.SHGetFolderPathW(None, number, None, 0, path)
    if failed:
        raise InstallError(f"Windows doesn't tell where its folder {number} is ({failed:#x})")
    return Path(path.value)


def install_copy() -> Path:
    """Copy this program, in its folder form, to Program Files; returns the path of the copy.

    Raises InstallError if this isn't the built program, or if we may not write there.
    """
    if not getattr(sys, "frozen", False):
        raise InstallError("only vsocks-guest.exe can be installed, not its source")
    folder = program_folder()
    try:
        shutil.rmtree(folder, ignore_errors=True)
        program, libraries = _parts()
        # Contents alone: who may write to a file is up to the new place, not the old one.
        copy = shutil.copyfile
        shutil.copytree(libraries, folder / "_internal", ignore=_own_parts, copy_function=copy)
        copy(program, folder / _PROGRAM)
    except OSError as error:
        raise InstallError(f"can't install into {folder}: {describe(error)}") from None
    return folder / _PROGRAM


def _parts() -> tuple[Path, Path]:
    """The program of the folder form, and the folder of its libraries."""
    libraries = Path(getattr(sys, "_MEIPASS"))  # noqa: B009 - PyInstaller sets it
    unpacked = libraries / _FOLDER_FORM / _PROGRAM
    return (unpacked if unpacked.exists() else Path(sys.executable)), libraries


def _own_parts(_folder: str, names: list[str]) -> list[str]:
    return [name for name in names if name == _FOLDER_FORM]


def remove_copy() -> bool:
    """Remove the copy; returns False if some of it stays until Windows restarts."""
    folder = program_folder()
    shutil.rmtree(folder, ignore_errors=True)
    # A program can't remove itself while it runs.
    rest = [*sorted(folder.rglob("*"), reverse=True), folder] if folder.exists() else []
    for path in rest:
        _kernel32.MoveFileExW(str(path), None, _MOVEFILE_DELAY_UNTIL_REBOOT)
    return not rest


def make_log_folder() -> Path:
    """The folder for logs, in which only the system and administrators may write.

    Raises InstallError if it can't be made so.
    """
    folder = log_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _protect(folder)
    except OSError as error:
        raise InstallError(f"can't make {folder}: {describe(error)}") from None
    return folder


def _protect(folder: Path) -> None:
    descriptor = ctypes.c_void_p()
    made = _advapi32.ConvertStringSecurityDescriptorToSecurityDescriptorW(
        _PROTECTED, wintypes.DWORD(1), ctypes.byref(descriptor), None
    )
    if not made:
        raise ctypes.WinError(ctypes.get_last_error())
    try:
        if not _advapi32.SetFileSecurityW(str(folder), _OWNER_AND_ACCESS, descriptor):
            raise ctypes.WinError(ctypes.get_last_error())
    finally:
        _kernel32.LocalFree(descriptor)
