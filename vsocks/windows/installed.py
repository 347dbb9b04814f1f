"""The program's own folder, and that of its settings and logs.

A service runs as LocalSystem, so an ordinary user must not be able to write to either. What is
installed is a copy under Program Files, and only the system and administrators can write to the
other.
"""

from __future__ import annotations

import sys

assert sys.platform == "win32"

import ctypes
import secrets
import shutil
import winreg
from ctypes import wintypes
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from vsocks.errors import VsocksError, describe
from vsocks.windows import protected

_PROGRAM: Final = "vsocks-guest.exe"
#: In the one-file form, where PyInstaller has unpacked the program of the folder form.
_FOLDER_FORM: Final = "service"
#: Where the MSI leaves word that the installed program is Windows Installer's.
_KEY: Final = r"SOFTWARE\vsocks"
_PRODUCT: Final = "ProductCode"
_MOVEFILE_DELAY_UNTIL_REBOOT: Final = 4
_CSIDL_COMMON_APPDATA: Final = 0x23
_CSIDL_SYSTEM: Final = 0x25
_CSIDL_PROGRAM_FILES: Final = 0x26

_shell32 = ctypes.WinDLL("shell32")
_kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)


class InstallError(VsocksError):
    """The program can't be installed; the text says why."""


@dataclass(frozen=True, slots=True)
class Leftovers:
    """What was in use when the copy was removed."""

    #: Whether files have been moved away, which go when Windows starts again.
    moved: bool
    #: Files that could not even be moved, and stay.
    stuck: tuple[Path, ...]


def program_folder() -> Path:
    """Where the installed copy is."""
    return _known_folder(_CSIDL_PROGRAM_FILES) / "vsocks"


def program() -> Path:
    """The installed program."""
    return program_folder() / _PROGRAM


def data_folder() -> Path:
    """Where the service has its settings, and writes its log."""
    return _known_folder(_CSIDL_COMMON_APPDATA) / "vsocks"


def system_folder() -> Path:
    """Where Windows' own programs and drivers are."""
    return _known_folder(_CSIDL_SYSTEM)


def _known_folder(number: int) -> Path:
    """Ask the system: the environment of a service may differ."""
    path = ctypes.create_unicode_buffer(wintypes.MAX_PATH)
    failed = _shell32.SHGetFolderPathW(None, number, None, 0, path)
    if failed:
        raise InstallError(f"Windows doesn't tell where its folder {number} is ({failed:#x})")
    return Path(path.value)


def refuse_if_packaged() -> None:
    """Raise InstallError if an MSI has installed the program, so that Windows looks after it."""
    try:
        with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, _KEY) as key:
            product = winreg.QueryValueEx(key, _PRODUCT)[0]
    except FileNotFoundError:
        return
    raise InstallError(
        "the installed program is from an MSI: install a newer one, msiexec /i FILE, or remove it, "
        f"msiexec /x {product}"
    )


def check_in_place() -> None:
    """Raise InstallError unless we are the installed program itself."""
    if Path(sys.executable) != program():
        raise InstallError(f"this is for {program()} only, which an MSI has put there")


def install_copy() -> Path:
    """Copy this program, in its folder form, to Program Files; returns the path of the copy.

    Raises InstallError if this isn't the built program, or if we may not write there.
    """
    if not getattr(sys, "frozen", False):
        raise InstallError("only vsocks-guest.exe can be installed, not its source")
    folder = program_folder()
    if Path(sys.executable).is_relative_to(folder):
        raise InstallError("this is the installed program itself; run the file of the new one")
    try:
        if stuck := _clear(folder).stuck:
            raise InstallError(f"{stuck[0]} is in use, by another program than the service")
        source, libraries = _parts()
        # Contents alone: who may write to a file is up to the new place, not the old one.
        copy = shutil.copyfile
        shutil.copytree(libraries, folder / "_internal", ignore=_own_parts, copy_function=copy)
        copy(source, program())
    except OSError as error:
        raise InstallError(f"can't install into {folder}: {describe(error)}") from None
    return program()


def _parts() -> tuple[Path, Path]:
    """The program of the folder form, and the folder of its libraries."""
    libraries = Path(getattr(sys, "_MEIPASS"))  # noqa: B009 - PyInstaller sets it
    unpacked = libraries / _FOLDER_FORM / _PROGRAM
    return (unpacked if unpacked.exists() else Path(sys.executable)), libraries


def _own_parts(_folder: str, names: list[str]) -> list[str]:
    return [name for name in names if name == _FOLDER_FORM]


def remove_copy() -> Leftovers:
    """Remove the copy, as far as that can be done while some of it is in use. Raises OSError."""
    return _clear(program_folder())


def _clear(folder: Path) -> Leftovers:
    """Empty and remove a folder; what is in use goes elsewhere first, and from there at the boot.

    Were it marked in its place, the next boot would delete what has been installed there since.
    """
    shutil.rmtree(folder, ignore_errors=True)
    files = [path for path in folder.rglob("*") if not path.is_dir()] if folder.exists() else []
    if not files:
        return Leftovers(moved=False, stuck=())
    aside = folder.with_name(f"{folder.name}.removed-{secrets.token_hex(4)}")
    protected.make_folder(aside)
    moved, stuck = [], []
    for number, path in enumerate(files):
        try:
            moved.append(path.rename(aside / f"{number}-{path.name}"))
        except OSError:
            # It is open in a way that forbids it. It is not marked, for it would be at its place.
            stuck.append(path)
    for path in [*moved, aside]:
        _kernel32.MoveFileExW(str(path), None, _MOVEFILE_DELAY_UNTIL_REBOOT)
    shutil.rmtree(folder, ignore_errors=True)
    return Leftovers(bool(moved), tuple(stuck))


def make_data_folder() -> str:
    """Make the folder for settings and logs, where only the system and administrators may write.

    Returns a line about what was there and had to be moved away, or nothing. Raises InstallError
    if it can't be made so.
    """
    folder = data_folder()
    try:
        return protected.make_folder(folder)
    except OSError as error:
        raise InstallError(f"can't make {folder} safe: {describe(error)}") from None
