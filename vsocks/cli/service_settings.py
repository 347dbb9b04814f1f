"""The settings of the service: a file that the system and administrators alone can read.

The command line that the service manager keeps can be read by everybody, and what stands between
two % in it is replaced. So it names the file, and nothing else.
"""

from __future__ import annotations

import sys

assert sys.platform == "win32"

import os
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

from vsocks.cli.arguments import Parser
from vsocks.cli.guest_options import ENVIRONMENT, add_guest_options
from vsocks.cli.guest_toml import given_options, toml_of
from vsocks.errors import UsageError, describe
from vsocks.windows import protected
from vsocks.windows.installed import InstallError, data_folder

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

_FILE: Final = "guest.toml"
_USERS: Final = "users.txt"


def settings_file() -> Path:
    """Where the settings are, unless --config names another file."""
    return data_folder() / _FILE


def check(words: Sequence[str]) -> None:
    """Raise UsageError if a service can't be given these options, which make sense otherwise."""
    given = given_options(words)
    if "config" in given and (len(given) > 1 or ENVIRONMENT in os.environ):
        raise UsageError("either --config, or options and users: write them into that file")
    for name in ("config", "users-file", "trace"):
        if name in given and not Path(given[name]).is_absolute():
            raise UsageError(f"a service starts elsewhere: say where {given[name]} is in full")
    if "%" in given.get("config", ""):
        raise UsageError("Windows replaces what stands between two % in a service's command line")


def store(words: Sequence[str], *, keep_users: bool = False) -> Path:
    """Write down the options, and the users of the environment; returns the file with them.

    With --config it is that file; with nothing at all the one that is there already, if any.
    ``keep_users``: also those of --users-file, which may be gone later. Raises InstallError.
    """
    given = given_options(words)
    if "config" in given:
        return Path(given["config"])
    path = settings_file()
    try:
        users = _users(given, keep_users=keep_users)
        if given or users or not path.exists():
            if users:
                protected.write_secret(data_folder() / _USERS, _lines(users))
                given["users-file"] = str(data_folder() / _USERS)
            protected.write_secret(path, toml_of(given).encode())
    except OSError as error:
        raise InstallError(f"can't write {path}: {describe(error)}") from None
    return path


def _users(given: dict[str, Any], *, keep_users: bool) -> list[str]:
    """The lines that name users, if any do so elsewhere than in a file that is to stay."""
    users: list[str] = given.pop("user", []) + os.environ.get(ENVIRONMENT, "").splitlines()
    if (users or keep_users) and "users-file" in given:
        users += Path(given["users-file"]).read_text(encoding="utf-8-sig").splitlines()
    return users


def _lines(users: list[str]) -> bytes:
    return "".join(f"{line}\n" for line in users).encode()


def load(words: Sequence[str]) -> argparse.Namespace:
    """The options of a service whose command line has these words. Raises UsageError."""
    parser = _Strict(prog="the service's options")
    add_guest_options(parser)
    for path in (Path(text) for text in _config_in(words)):
        try:
            problem = protected.distrust(path)
        except OSError as error:
            problem = f"can't be read: {describe(error)}"
        if problem:
            raise UsageError(f"the settings are not taken: {path} {problem}")
    options: argparse.Namespace = parser.parse_args(words)
    return options


def _config_in(words: Sequence[str]) -> list[str]:
    return [value for word, value in pairwise(words) if word == "--config"]


class _Strict(Parser):
    """Raises what is wrong: a service has no console to say it on."""

    def exit(self, _status: int = 0, message: str | None = None) -> NoReturn:
        raise UsageError((message or "they ask for help").strip())
