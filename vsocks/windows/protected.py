r"""Folders and files that only the system and administrators can change, or even read.

An ordinary user may make anything below `C:\ProgramData`, and owns it then, whatever its rights say
later. So what is there already is used only if it belongs to the system or to administrators, and
what is made anew has its rights from the first moment on.
"""

from __future__ import annotations

import sys

assert sys.platform == "win32"

import contextlib
import ctypes
import os
import secrets
import stat
from ctypes import wintypes
from typing import TYPE_CHECKING, Final

from vsocks.windows.texts import check as _check

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: Full access for SYSTEM and Administrators, reading for users, nothing inherited from above.
READ_BY_ALL: Final = "O:BAD:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;OICI;0x1200a9;;;BU)"
#: The same, but nobody else reads it.
CLOSED: Final = "O:BAD:P(A;;FA;;;SY)(A;;FA;;;BA)"
ADMINISTRATORS: Final = "O:BA"

_OWNER: Final = 0x00000001
_OWNER_AND_ACCESS: Final = 0x00000001 | 0x00000004
_SE_FILE_OBJECT: Final = 1
_SDDL_REVISION: Final = 1
_GENERIC_WRITE: Final = 0x40000000
_CREATE_NEW: Final = 1
_INVALID_HANDLE: Final = wintypes.HANDLE(-1).value
_TOKEN_QUERY: Final = 0x0008
_TOKEN_USER: Final = 1
_TOKEN_USER_SIZE: Final = 256
#: SYSTEM, Administrators, TrustedInstaller.
_TRUSTED: Final = frozenset(
    {
        "S-1-5-18",
        "S-1-5-32-544",
        "S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464",
    }
)

_advapi32 = ctypes.WinDLL("advapi32", use_last_error=True)
_kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)
_kernel32.LocalFree.argtypes = [ctypes.c_void_p]
_kernel32.CreateFileW.restype = wintypes.HANDLE
_kernel32.GetCurrentProcess.restype = wintypes.HANDLE


class _SecurityAttributes(ctypes.Structure):
    """SECURITY_ATTRIBUTES."""

    _fields_ = (
        ("size", wintypes.DWORD),
        ("descriptor", ctypes.c_void_p),
        ("inherited", wintypes.BOOL),
    )


def make_folder(path: Path) -> str:
    """Make the folder, readable by all; what can't be trusted there is moved out of the way.

    Returns a line about what was moved, for people, or nothing. Raises OSError.
    """
    problem = told = ""
    if os.path.lexists(path):
        problem = distrust(path) or ("" if path.is_dir() else "is no folder")
        if not problem:
            protect(path, READ_BY_ALL)
            # Nobody can add to it any more; this is what was put there before.
            found = ((entry, distrust(entry)) for entry in path.iterdir())
            problem = next((f"holds {entry.name}, which {why}" for entry, why in found if why), "")
        if not problem:
            for entry in path.iterdir():
                _set_security(entry, _OWNER, ADMINISTRATORS)
    if problem:
        aside = path.with_name(f"{path.name}.untrusted-{secrets.token_hex(4)}")
        path.rename(aside)
        told = f"{path} {problem}; it has been made anew, and what was there is {aside}"
    if not os.path.lexists(path):
        with _attributes(READ_BY_ALL) as attributes:
            _check(_kernel32.CreateDirectoryW(str(path), attributes))
    return told


def write_secret(path: Path, data: bytes) -> None:
    """Write a file that only the system and administrators can read: all of it, or nothing.

    Raises OSError.
    """
    new = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    with _attributes(CLOSED) as attributes:
        handle = _kernel32.CreateFileW(
            *(str(new), _GENERIC_WRITE, 0, attributes, _CREATE_NEW, 0, None)
        )
    _check(handle != _INVALID_HANDLE)
    _kernel32.CloseHandle(wintypes.HANDLE(handle))
    try:
        new.write_bytes(data)
        new.replace(path)
    except OSError:
        new.unlink()
        raise


def distrust(path: Path) -> str:
    """Why the system must not rely on what is there, for people; nothing if it may.

    It may rely on what the account has made that this process runs as: an administrator's, who
    is about to install something, or the system's.

    Raises OSError.
    """
    status = path.lstat()
    if status.st_file_attributes & stat.FILE_ATTRIBUTE_REPARSE_POINT:
        return "is a link to somewhere else"
    if stat.S_ISREG(status.st_mode) and status.st_nlink > 1:
        return "has another name elsewhere"
    owner = _owner_of(path)
    return "" if owner in _TRUSTED or owner == own_user() else f"belongs to {owner}"


def protect(path: Path, rights: str) -> None:
    """Give what is there an owner and rights, in SDDL. Raises OSError."""
    _set_security(path, _OWNER_AND_ACCESS, rights)


def _set_security(path: Path, what: int, text: str) -> None:
    with _descriptor(text) as descriptor:
        _check(_advapi32.SetFileSecurityW(str(path), what, descriptor))


def _owner_of(path: Path) -> str:
    """The owner's SID, as text."""
    sid, descriptor = ctypes.c_void_p(), ctypes.c_void_p()
    error = _advapi32.GetNamedSecurityInfoW(
        *(str(path), _SE_FILE_OBJECT, _OWNER, ctypes.byref(sid), None, None, None),
        ctypes.byref(descriptor),
    )
    if error:
        raise ctypes.WinError(error)
    try:
        return _text_of(sid)
    finally:
        _kernel32.LocalFree(descriptor)


def own_user() -> str:
    """The SID of the account that this process runs as, as text."""
    token = wintypes.HANDLE()
    size = wintypes.DWORD()
    process = wintypes.HANDLE(_kernel32.GetCurrentProcess())
    _check(_advapi32.OpenProcessToken(process, _TOKEN_QUERY, ctypes.byref(token)))
    # TOKEN_USER: a pointer to the SID, which lies behind it.
    user = ctypes.create_string_buffer(_TOKEN_USER_SIZE)
    try:
        asked = (token, _TOKEN_USER, user, len(user), ctypes.byref(size))
        _check(_advapi32.GetTokenInformation(*asked))
        return _text_of(ctypes.c_void_p.from_buffer(user))
    finally:
        _kernel32.CloseHandle(token)


def _text_of(sid: ctypes.c_void_p) -> str:
    text = wintypes.LPWSTR()
    _check(_advapi32.ConvertSidToStringSidW(sid, ctypes.byref(text)))
    try:
        return str(text.value)
    finally:
        _kernel32.LocalFree(text)


@contextlib.contextmanager
def _attributes(rights: str) -> Iterator[object]:
    """What is passed to have something made with these rights."""
    with _descriptor(rights) as descriptor:
        size = ctypes.sizeof(_SecurityAttributes)
        yield ctypes.byref(_SecurityAttributes(size, descriptor, inherited=False))


@contextlib.contextmanager
def _descriptor(rights: str) -> Iterator[ctypes.c_void_p]:
    descriptor = ctypes.c_void_p()
    convert = _advapi32.ConvertStringSecurityDescriptorToSecurityDescriptorW
    _check(convert(rights, _SDDL_REVISION, ctypes.byref(descriptor), None))
    try:
        yield descriptor
    finally:
        _kernel32.LocalFree(descriptor)
