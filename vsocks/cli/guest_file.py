"""The configuration file of the guest daemon: one table, with a key for each long option."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from vsocks.channel.spec import parse_spec
from vsocks.cli.config_file import ConfigFile
from vsocks.cli.config_options import Form, Key, TableReader, Values, keys_of

if TYPE_CHECKING:
    import argparse

    from vsocks.cli.arguments import Parser


def add_guest_file(parser: Parser) -> None:
    """Add --config; what it doesn't say, and the command line doesn't, is as by default."""
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="a file with more options (TOML), see docs/configuration.md; what stands on the "
        "command line comes before it",
    )

    def complete(given: argparse.Namespace) -> argparse.Namespace:
        read = read_guest_file(given.config, parser) if given.config is not None else {}
        return parser.merged(read, vars(given))

    parser.complete = complete


def read_guest_file(path: Path, parser: Parser) -> Values:
    """The options in a file, by the guest daemon's parser. Raises ConfigError."""
    file = ConfigFile(path)
    values = TableReader(file, guest_keys(parser)).read(file.table)
    file.check()
    return values


def guest_keys(parser: Parser) -> dict[str, Key]:
    """All keys of a guest's file."""
    return keys_of(parser.options) | {"channel": Key("channel", Form.ONE, _channel)}


def _channel(text: str) -> str:
    parse_spec(text)
    return text
