"""What can be said on the command line, and what is wrong with what was said."""

from __future__ import annotations

import argparse
from typing import Final, NoReturn

from vsocks.channel.spec import FORMS
from vsocks.endpoint import Wire
from vsocks.frames import FIRST_HOST_ID
from vsocks.rules import Rule, RuleError

USAGE_ERROR: Final = 2
"""The exit status when what was asked for makes no sense."""

_CHANNELS: Final = f"channels:\n{FORMS}"


class Parser(argparse.ArgumentParser):
    """Says what was wrong in one line, without the usage before it."""

    def error(self, message: str) -> NoReturn:
        """End with USAGE_ERROR."""
        self.exit(USAGE_ERROR, f"{self.prog}: error: {message} (see {self.prog} --help)\n")


def add_guest_options(parser: argparse.ArgumentParser) -> None:
    """All that `vsocks guest` takes."""
    parser.epilog = _CHANNELS
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument(
        "--channel",
        default="auto",
        metavar="SPEC",
        help="the pipe, see below; by default it is searched for",
    )
    parser.add_argument(
        "--listen",
        type=_address,
        default=("127.0.0.1", 1080),
        metavar="ADDR:PORT",
        help="where SOCKS clients connect (default: 127.0.0.1:1080)",
    )
    _add_max_streams(parser, 64, "connections at once; their memory is taken at start")
    _add_common(parser)


def add_host_options(parser: argparse.ArgumentParser) -> None:
    """All that `vsocks host` takes."""
    parser.epilog = f"{_CHANNELS}\n\nrules: see docs/policy.md; the last one that matches wins"
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.set_defaults(rules=[])
    parser.add_argument("--channel", required=True, metavar="SPEC", help="the pipe; see below")
    for verb in ("allow", "deny"):
        parser.add_argument(
            f"--{verb}",
            action=_AddRule,
            metavar="RULE",
            help=f"{verb} a CIDR, HOST or *.DOMAIN, with :PORT or :LOW-HIGH if not all ports",
        )
    _add_max_streams(parser, 256, "the most connections that a guest may have at once")
    parser.add_argument(
        "--dial-timeout",
        type=_seconds,
        default=10.0,
        metavar="SECONDS",
        help="how long a connect may take, the look-up included (default: 10)",
    )
    parser.add_argument(
        "--connect-rate",
        type=_seconds,
        default=5000.0,
        metavar="N",
        help="the most connects a second that a guest may ask for (default: 5000)",
    )
    _add_common(parser)


def _add_max_streams(parser: argparse.ArgumentParser, default: int, what: str) -> None:
    parser.add_argument(
        "--max-streams",
        type=_stream_count,
        default=default,
        metavar="N",
        help=f"{what} (default: {default})",
    )


def _add_common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--wire",
        type=Wire,
        choices=list(Wire),
        default=Wire.AUTO,
        help="the wire format: auto finds out what the peer speaks (default: auto)",
    )
    parser.add_argument(
        "--half-close-timeout",
        type=_seconds,
        default=300.0,
        metavar="SECONDS",
        help="close a half-closed connection that is silent for so long (default: 300)",
    )
    parser.add_argument("-v", "--verbose", action="count", default=0, help="log each connection")
    parser.add_argument("--log-format", choices=["text", "json"], default="text")


class _AddRule(argparse.Action):
    """Keeps --allow and --deny in the order in which they were given, for that decides."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: object,
        option_string: str | None = None,
    ) -> None:
        try:
            rule = Rule.parse("allow" if self.dest == "allow" else "deny", str(values))
        except RuleError as error:
            raise argparse.ArgumentError(self, str(error)) from None
        namespace.rules = [*namespace.rules, rule]


def _address(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not host or not (port.isascii() and port.isdigit() and int(port) < 65536):
        raise argparse.ArgumentTypeError(f"'{text}' is not ADDR:PORT")
    return host, int(port)


def _stream_count(text: str) -> int:
    if text.isascii() and text.isdigit() and 1 <= int(text) <= FIRST_HOST_ID:
        return int(text)
    raise argparse.ArgumentTypeError(f"'{text}' is not a number from 1 to {FIRST_HOST_ID}")


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 1e6:
        raise argparse.ArgumentTypeError(f"'{text}' is not a number above 0")
    return value
