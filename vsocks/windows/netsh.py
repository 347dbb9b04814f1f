"""Running Windows' netsh."""

from __future__ import annotations

import sys

assert sys.platform == "win32"

import subprocess
from typing import Final

from vsocks.windows.installed import system_folder

_SECONDS: Final = 60
_ERROR_TIMEOUT: Final = 1460


def netsh(*words: str) -> tuple[int, str]:
    """Its exit status, and what it said.

    Raises OSError if it can't be run, or takes too long.
    """
    try:
        ended = subprocess.run(
            [*command(), *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            errors="replace",
            timeout=_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise OSError(0, f"netsh took more than {_SECONDS} s", None, _ERROR_TIMEOUT) from None
    return ended.returncode, ended.stdout


def command() -> list[str]:
    """The program."""
    return [str(system_folder() / "netsh.exe")]
