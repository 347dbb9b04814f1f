"""Command lines for cmd.exe, which Windows' sshd hands every command to, and paths for its SFTP.

A command line is read twice on Windows: by cmd (quotes, carets, %variables%, & | < > ( ) !) and by
the program itself (quotes and backslashes). Both have to come out right.
"""

from __future__ import annotations

import subprocess
from pathlib import PureWindowsPath

SPECIAL = set('^&|<>()!"%')
PLAIN_IN_QUOTES = set("&|<>()^ ,;=")
"""What a program's path may have in it that only quotes make harmless."""


def command_line(*arguments: str) -> str:
    """A program and its arguments as a line for `cmd /c`.

    A caret goes before each character that means anything to cmd, quotes included: so cmd never
    believes to be inside quotes, where carets would be kept.
    """
    for argument in arguments:
        if set(argument) & set("\r\n\0"):
            raise ValueError(f"cmd cannot pass on a line's end: {argument!r}")
    program, rest = arguments[0], list(arguments[1:])
    escaped = subprocess.list2cmdline(rest)
    # %NAME:a=b% is found by what stands before the colon, so that the name must not end there.
    special = SPECIAL | {":"} if "%" in escaped else SPECIAL
    escaped = "".join(f"^{it}" if it in special else it for it in escaped)
    return f"{_program(program)} {escaped}" if rest else _program(program)


def _program(path: str) -> str:
    """The first word, which cmd itself looks for: it must see the quotes."""
    if set(path) & set('"%!'):
        raise ValueError(f"no path of a program: {path!r}")
    return f'"{path}"' if set(path) & PLAIN_IN_QUOTES else path


def sftp_path(path: str) -> str:
    r"""What Windows' SFTP server calls a path: `C:\a\b` is `/C:/a/b`."""
    windows = PureWindowsPath(path)
    if not windows.is_absolute():
        raise ValueError(f"not an absolute path of Windows: {path!r}")
    return "/" + windows.as_posix()
