"""Parsing the command line, and saying what is wrong with it."""

from __future__ import annotations

import argparse
import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeVar, cast

from vsocks import __version__
from vsocks.address import Target, loopback_or, parse_host_port
from vsocks.cli import exit_status
from vsocks.errors import UsageError, describe
from vsocks.protocol.endpoint import Wire
from vsocks.protocol.frames import FIRST_HOST_ID

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

T = TypeVar("T")

_MAX_COUNT: Final = 0xFFFF


class Parser(argparse.ArgumentParser):
    """Reports an error in one line, without the usage.

    Options must be spelled out: an abbreviation that is unique today may be ambiguous, or an
    option of its own, tomorrow.
    """

    #: What fills in the options that were not given, which are None until then.
    complete: Callable[[argparse.Namespace], argparse.Namespace] | None = None

    def __init__(self, **settings: Any) -> None:
        super().__init__(**{"allow_abbrev": False, **settings})
        self.register("action", None, _Once)

    @property
    def options(self) -> list[argparse.Action]:
        """All options that it has."""
        return [action for action in self._actions if action.option_strings]

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As argparse does, and by complete() if there is one; its UsageError ends the program."""
        if self.complete is None:
            return super().parse_known_args(args, namespace)
        nothing = argparse.Namespace(**dict.fromkeys(self._settable()))
        given, left = super().parse_known_args(args, nothing)
        try:
            return self.complete(given), left
        except UsageError as error:
            self.exit(exit_status.USAGE, f"{self.prog}: error: {describe(error)}\n")

    def merged(self, *layers: Mapping[str, Any]) -> argparse.Namespace:
        """All options: each by the last of ``layers`` that has it, or else by its default."""
        merged = self._settable()
        for layer in layers:
            merged.update({dest: value for dest, value in layer.items() if value is not None})
        return argparse.Namespace(**merged)

    def _settable(self) -> dict[str, Any]:
        """The defaults of all options that have a value."""
        settable = [each for each in self.options if each.default is not argparse.SUPPRESS]
        return {each.dest: each.default for each in settable}

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As argparse does; but it is the command that doesn't know an option."""
        words = sys.argv[1:] if args is None else list(args)
        options, unknown = self.parse_known_args(words, namespace)
        if unknown:
            self.command(words).error(f"unrecognized arguments: {' '.join(unknown)}")
        return options

    def command(self, words: list[str]) -> Parser:
        """The parser of the command that ``words`` name, or this one."""
        for action in self._actions:
            for at, word in enumerate(words):
                if isinstance(action.choices, dict) and word in action.choices:
                    return cast("Parser", action.choices[word]).command(words[at + 1 :])
        return self

    def error(self, message: str) -> NoReturn:
        """End with the exit status of wrong usage."""
        self.exit(exit_status.USAGE, f"{self.prog}: error: {message} (see {self.prog} --help)\n")


class _Once(argparse.Action):
    """Keeps the one value of an option; a second one is refused: nobody knows which is meant."""

    _given_in: argparse.Namespace | None = None

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: object,
        option_string: str | None = None,
    ) -> None:
        if option_string is not None and self._given_in is namespace:
            raise argparse.ArgumentError(self, "it is given twice, and takes one value")
        self._given_in = namespace
        setattr(namespace, self.dest, values)


def add_version(parser: argparse.ArgumentParser, program: str) -> None:
    """--version, which prints what ``program`` is."""
    parser.add_argument("--version", action="version", version=f"{program} {__version__}")


def add_max_streams(parser: argparse.ArgumentParser, default: int, what: str) -> None:
    """--max-streams, the number of connections."""
    parser.add_argument(
        "--max-streams",
        type=stream_count,
        default=default,
        metavar="N",
        help=f"{what} (default: {default})",
    )


def add_seconds(parser: argparse.ArgumentParser, name: str, default: float, what: str) -> None:
    """An option that is a time in seconds."""
    parser.add_argument(
        name,
        type=positive,
        default=default,
        metavar="SECONDS",
        help=f"{what} (default: {default:g})",
    )


def add_common(parser: argparse.ArgumentParser) -> None:
    """The options that both daemons have."""
    parser.add_argument(
        "--wire",
        type=Wire,
        choices=list(Wire),
        default=Wire.AUTO,
        help="the wire format; auto detects what the peer speaks (default: auto)",
    )
    add_seconds(parser, "--idle-timeout", 86400, "close a connection that is idle for so long")
    add_seconds(parser, "--half-close-timeout", 300, "the same once one direction has ended")
    add_seconds(parser, "--udp-idle-timeout", 300, "end a UDP association that is idle for so long")
    parser.add_argument("-v", "--verbose", action="count", default=0, help="log each connection")
    parser.add_argument(
        "--trace",
        type=Path,
        metavar="FILE",
        help="append a line there for each frame and each event of a socket",
    )
    parser.add_argument(
        "--log-format",
        choices=["text", "json"],
        default="text",
        help="how log lines are written; json is one object a line (default: text)",
    )


def explained(parse: Callable[[str], T]) -> Callable[[str], T]:
    """``parse`` as an option's type, so that argparse says why a value is wrong."""

    def parsed(text: str) -> T:
        try:
            return parse(text)
        except UsageError as error:
            raise argparse.ArgumentTypeError(describe(error)) from None

    return parsed


@contextlib.contextmanager
def being(text: str, form: str) -> Iterator[None]:
    """Turn a ValueError of the body into an error that says how ``text`` misses the form."""
    try:
        yield
    except ValueError as error:
        problem = f"'{text}' is not {form}: {describe(error)}"
        raise argparse.ArgumentTypeError(problem) from None


def listen_address(text: str) -> tuple[str, int]:
    """ADDR:PORT, with an IPv6 address in brackets; port 0 is any that is free."""
    with being(text, "ADDR:PORT"):
        return parse_host_port(text, least_port=0)


def exposed_target(text: str) -> Target:
    """[ADDR:]PORT that the host may connect to; ADDR is the loopback by default."""
    with being(text, "[ADDR:]PORT"):
        return loopback_or(text)


def count(text: str) -> int:
    """A number of things, 1 at least."""
    if text.isascii() and text.isdigit() and 1 <= int(text) <= _MAX_COUNT:
        return int(text)
    raise argparse.ArgumentTypeError(f"'{text}' is not a number from 1 to {_MAX_COUNT}")


def stream_count(text: str) -> int:
    """A number of streams that the wire can carry."""
    if text.isascii() and text.isdigit() and 1 <= int(text) <= FIRST_HOST_ID:
        return int(text)
    raise argparse.ArgumentTypeError(f"'{text}' is not a number from 1 to {FIRST_HOST_ID}")


def positive(text: str) -> float:
    """A time or a rate."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 1e6:
        raise argparse.ArgumentTypeError(f"'{text}' is not a number above 0")
    return value
