"""`check-config`: what is wrong in a configuration file, by line."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from vsocks.cli import exit_status
from vsocks.cli.arguments import Parser
from vsocks.cli.config_file import ConfigError
from vsocks.cli.guest_file import read_guest_file
from vsocks.cli.guest_options import add_guest_options

if TYPE_CHECKING:
    import argparse

DESCRIPTION: Final = (
    "Say what is wrong in a configuration file, a line for each; status 2 if anything is."
)


def add_check_options(parser: argparse.ArgumentParser) -> None:
    """All that `check-config` takes."""
    parser.description = DESCRIPTION
    parser.add_argument("file", type=Path, metavar="FILE", help="the configuration file")


def run_check(options: argparse.Namespace) -> int:
    """Print what is wrong, if anything; returns the exit status."""
    try:
        sys.stdout.write(f"{_checked_guest(options.file)}\n")
    except ConfigError as error:
        for problem in error.problems:
            sys.stderr.write(f"{problem}\n")
        return exit_status.USAGE
    return 0


def _checked_guest(path: Path) -> str:
    parser = Parser(prog="vsocks guest")
    add_guest_options(parser)
    read_guest_file(path, parser)
    return f"{path}: right, for a guest"
