"""Why a socket or a device can't be opened, in words that say what to do about it. Unix only."""

from __future__ import annotations

import sys

assert sys.platform != "win32"

import errno
import grp
import os
import pwd
import stat
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def explained(path: str, error: OSError) -> OSError:
    """The same error with more words, as far as what is at ``path`` tells why."""
    more = ""
    match error.errno:
        case errno.ENOENT | errno.ENOTDIR:
            more = _missing_folder(Path(path))
        case errno.EACCES | errno.EPERM:
            more = denied(path)
        case errno.ECONNREFUSED:
            more = no_socket(path)
    if error.errno is None or not more:
        return error
    return OSError(error.errno, f"{os.strerror(error.errno)}: {more}")


def no_socket(path: str) -> str:
    """What is at ``path`` if it is no socket; nothing else if it is one, or nothing is there."""
    place = Path(path)
    if place.is_dir():
        return "it is a folder; name the socket in it"
    is_other = place.exists() and not place.is_socket()
    return "what is there is a file, not a socket" if is_other else ""


def denied(path: str) -> str:
    """Who may open ``path``, and how we could."""
    place = Path(path)
    for folder in reversed(place.parents):
        if folder.is_dir() and not os.access(folder, os.X_OK, effective_ids=True):
            return f"the folder {folder} {_rights(folder.stat())} has no way through for {_us()}"
    try:
        found = place.stat()
    except OSError:
        folder = place.parent
        found, place = folder.stat(), folder
    owner, us = _named(_user, found.st_uid), _us()
    hint = f"run it as {owner}, or give {us} the right: setfacl -m u:{us}:rwX {place}"
    if found.st_mode & stat.S_IWGRP and found.st_gid:
        group = _named(_group, found.st_gid)
        hint = f"have {us} in the group {group} (usermod -aG {group} {us}), or run it as {owner}"
    return f"{place} {_rights(found)}, and this is {us}; {hint}"


def _missing_folder(path: Path) -> str:
    """Which of the folders above isn't there, if it is that."""
    for folder in reversed(path.parents):
        try:
            if not folder.is_dir():
                return f"the folder {folder} isn't there"
        except PermissionError:
            return ""
    return ""


def _rights(found: os.stat_result) -> str:
    owner, group = _named(_user, found.st_uid), _named(_group, found.st_gid)
    return f"belongs to {owner}, group {group} ({stat.filemode(found.st_mode)})"


def _us() -> str:
    return _named(_user, os.geteuid())


def _user(number: int) -> str:
    return pwd.getpwuid(number).pw_name


def _group(number: int) -> str:
    return grp.getgrgid(number).gr_name


def _named(look_up: Callable[[int], str], number: int) -> str:
    """The name of a user or group, or its number where it has none."""
    try:
        return look_up(number)
    except KeyError:
        return str(number)
