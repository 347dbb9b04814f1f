"""The programs that the harness starts, and who has them."""

from __future__ import annotations

import os
import shutil

from .spec import QEMU

SYSTEM = "/usr/local/sbin:/usr/sbin:/sbin"
"""Where some of them are, though a user's PATH may not say so."""
PACKAGES = {
    "qemu-system-x86_64": "qemu-system-x86",
    "qemu-img": "qemu-utils",
    "setpriv": "util-linux",
    "mmdebstrap": "mmdebstrap",
    "mke2fs": "e2fsprogs",
    "swtpm": "swtpm",
    "ssh-keygen": "openssh-client",
    "xorriso": "xorriso",
}
"""The packages of Debian and Ubuntu."""


CHOICE = "VSOCKS_QEMU"
"""Of the environment: the path of the QEMU to use, if it isn't to be the installed one."""


class MissingProgramError(Exception):
    """A program isn't installed; the message says which, and how to get it."""


def qemu() -> str:
    """The QEMU that runs machines, by name or path."""
    return os.environ.get(CHOICE) or QEMU


def need(*programs: str) -> None:
    """Raise MissingProgramError unless all of them are installed."""
    path = f"{os.environ.get('PATH', os.defpath)}:{SYSTEM}"
    missing = [program for program in programs if not shutil.which(program, path=path)]
    if chosen := [program for program in missing if program not in PACKAGES]:
        raise MissingProgramError(f"${CHOICE} names {chosen[0]}, which can't be run")
    if missing:
        packages = " ".join(PACKAGES[program] for program in missing)
        raise MissingProgramError(
            f"not installed: {', '.join(missing)}. On Debian or Ubuntu: apt-get install {packages}"
        )
