"""`check-config`: what is wrong in a configuration file, by line."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from vsocks.cli import exit_status
from vsocks.cli.arguments import Parser
from vsocks.cli.config_file import ConfigError, ConfigFile
from vsocks.cli.guest_file import read_guest_file
from vsocks.cli.guest_options import add_guest_options
from vsocks.errors import UsageError, describe

if TYPE_CHECKING:
    import argparse

DESCRIPTION: Final = (
    "Say what is wrong in a configuration file, a line for each; status 2 if anything is."
)

#: Says in words what a file is; raises UsageError if it is wrong.
Check = Callable[[Path], str]


def add_check_options(parser: argparse.ArgumentParser, check_host: Check | None = None) -> None:
    """All that `check-config` takes; ``check_host`` checks a host's file, if this program can."""
    parser.description = DESCRIPTION
    parser.add_argument("file", type=Path, metavar="FILE", help="the configuration file")
    parser.set_defaults(check_host=check_host, daemon=None)
    if check_host is not None:
        parser.add_argument(
            "--daemon",
            choices=["guest", "host"],
            help="whose it is (default: the host's if it is called host.toml or names machines)",
        )


def run_check(options: argparse.Namespace) -> int:
    """Print what is wrong, if anything; returns the exit status."""
    check = options.check_host
    if check is None or not _is_hosts(options.file, options.daemon):
        check = _checked_guest
    try:
        sys.stdout.write(f"{options.file}: {check(options.file)}\n")
    except ConfigError as error:
        for problem in error.problems:
            sys.stderr.write(f"{problem}\n")
        return exit_status.USAGE
    except UsageError as error:
        sys.stderr.write(f"{describe(error)}\n")
        return exit_status.USAGE
    return 0


def _checked_guest(path: Path) -> str:
    parser = Parser(prog="vsocks guest")
    add_guest_options(parser)
    read_guest_file(path, parser)
    return "right, for a guest"


def _is_hosts(path: Path, told: str | None) -> bool:
    """Whether it is a file of the host daemon: as told, or by its looks."""
    if told is not None or path.name == "host.toml":
        return told != "guest"
    try:
        return not {"machine", "defaults"}.isdisjoint(ConfigFile(path).table)
    except ConfigError:
        return False  # whoever reads it next says why
