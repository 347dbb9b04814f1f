"""The programs that the harness starts, and who has them."""

from __future__ import annotations

import os
import shutil

SYSTEM = "/usr/local/sbin:/usr/sbin:/sbin"
"""Where some of them are, though a user's PATH may not say so."""
PACKAGES = {
    "qemu-system-x86_64": "qemu-system-x86",
    "qemu-img": "qemu-utils",
    "setpriv": "util-linux",
    "mmdebstrap": "mmdebstrap",
    "mke2fs": "e2fsprogs",
    "swtpm": "swtpm",
}
"""The packages of Debian and Ubuntu."""


class MissingProgramError(Exception):
    """A program isn't installed; the message says which, and how to get it."""


def need(*programs: str) -> None:
    """Raise MissingProgramError unless all of them are installed."""
    path = f"{os.environ.get('PATH', os.defpath)}:{SYSTEM}"
    missing = [program for program in programs if not shutil.which(program, path=path)]
    if missing:
        packages = " ".join(PACKAGES[program] for program in missing)
        raise MissingProgramError(
            f"not installed: {', '.join(missing)}. On Debian or Ubuntu: apt-get install {packages}"
        )
