"""The command line: one command each for the guest and the host."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import logging
import os
import signal
import sys
import tracemalloc
from typing import TYPE_CHECKING, Final, NoReturn, Protocol

from vsocks import __version__, logs
from vsocks.channel import open_source, parse_spec
from vsocks.channel.lock import ChannelLock
from vsocks.channel.spec import FORMS
from vsocks.endpoint import Wire
from vsocks.errors import UsageError, VsocksError
from vsocks.frames import FIRST_HOST_ID
from vsocks.handshake import Offer
from vsocks.rules import Rule, RuleError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

log = logging.getLogger(__name__)

_USAGE_ERROR: Final = 2
_FAILED: Final = 1


class Daemon(Protocol):
    """What both daemons can do."""

    async def start(self) -> None:
        """Take what is needed; raises VsocksError if it can't be had."""

    async def run(self) -> None:
        """Serve until cancelled."""

    async def goodbye(self) -> None:
        """Tell the peer that the daemon ends."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except VsocksError as error:
        sys.stderr.write(f"vsocks {options.command}: error: {error}\n")
        return _USAGE_ERROR if isinstance(error, UsageError) else _FAILED


class _Parser(argparse.ArgumentParser):
    """Says what was wrong in one line, without the usage before it."""

    def error(self, message: str) -> NoReturn:
        self.exit(_USAGE_ERROR, f"{self.prog}: error: {message} (see {self.prog} --help)\n")


def _parser() -> _Parser:
    parser = _Parser(
        prog="vsocks",
        description="A SOCKS5 door to the network for virtual machines without a network card.",
    )
    parser.add_argument("--version", action="version", version=f"vsocks {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="guest|host")
    _add_guest(commands.add_parser, _common_options())
    _add_host(commands.add_parser, _common_options())
    return parser


def _common_options() -> _Parser:
    common = _Parser(add_help=False)
    common.add_argument("--channel", required=True, metavar="SPEC", help="the pipe; see below")
    common.add_argument(
        "--wire",
        type=Wire,
        choices=list(Wire),
        default=Wire.AUTO,
        help="the wire format: auto finds out what the peer speaks (default: auto)",
    )
    common.add_argument(
        "--half-close-timeout",
        type=_seconds,
        default=300.0,
        metavar="SECONDS",
        help="close a half-closed connection that is silent for so long (default: 300)",
    )
    common.add_argument("-v", "--verbose", action="count", default=0, help="log each connection")
    common.add_argument("--log-format", choices=["text", "json"], default="text")
    return common


def _add_guest(add: Callable[..., argparse.ArgumentParser], common: _Parser) -> None:
    guest = add(
        "guest",
        parents=[common],
        help="run in the VM: a SOCKS5 server",
        epilog=f"channels:\n{FORMS}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    guest.set_defaults(run=_run_guest)
    guest.add_argument(
        "--listen",
        type=_address,
        default=("127.0.0.1", 1080),
        metavar="ADDR:PORT",
        help="where SOCKS clients connect (default: 127.0.0.1:1080)",
    )
    guest.add_argument(
        "--max-streams",
        type=_stream_count,
        default=64,
        metavar="N",
        help="connections at once; their memory is taken at start (default: 64)",
    )


def _add_host(add: Callable[..., argparse.ArgumentParser], common: _Parser) -> None:
    host = add(
        "host",
        parents=[common],
        help="run on the VM's host: makes the connections",
        epilog=f"channels:\n{FORMS}\n\nrules: see docs/policy.md; the last one that matches wins",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    host.set_defaults(run=_run_host, rules=[])
    for verb in ("allow", "deny"):
        host.add_argument(
            f"--{verb}",
            action=_AddRule,
            metavar="RULE",
            help=f"{verb} a CIDR, HOST or *.DOMAIN, with :PORT or :LOW-HIGH if not all ports",
        )
    host.add_argument(
        "--max-streams",
        type=_stream_count,
        default=256,
        metavar="N",
        help="the most connections that a guest may have at once (default: 256)",
    )
    host.add_argument(
        "--dial-timeout",
        type=_seconds,
        default=10.0,
        metavar="SECONDS",
        help="how long a connect may take, the look-up included (default: 10)",
    )
    host.add_argument(
        "--connect-rate",
        type=_seconds,
        default=5000.0,
        metavar="N",
        help="the most connects a second that a guest may ask for (default: 5000)",
    )


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


def _run_guest(options: argparse.Namespace) -> int:
    from vsocks.guest import Guest, GuestConfig

    spec = parse_spec(options.channel)
    config = GuestConfig(
        wire=options.wire,
        listen=options.listen,
        max_streams=options.max_streams,
        offer=Offer(max_streams=options.max_streams),
        half_close_timeout=options.half_close_timeout,
    )
    return _run(options, lambda: Guest(config, open_source(spec), str(spec)))


def _run_host(options: argparse.Namespace) -> int:
    from vsocks.host import Host, HostConfig
    from vsocks.policy import Policy

    spec = parse_spec(options.channel)
    config = HostConfig(
        wire=options.wire,
        policy=Policy(options.rules),
        offer=Offer(max_streams=options.max_streams),
        dial_timeout=options.dial_timeout,
        connect_rate=options.connect_rate,
        half_close_timeout=options.half_close_timeout,
    )
    lock = ChannelLock("host", spec)
    try:
        return _run(options, lambda: Host(config, open_source(spec), str(spec)))
    finally:
        lock.close()


def _run(options: argparse.Namespace, make: Callable[[], Daemon]) -> int:
    """Run a daemon until SIGINT or SIGTERM; returns the exit status."""
    logs.configure(verbose=options.verbose, as_json=options.log_format == "json")
    if os.environ.get("VSOCKS_TRACE_MEMORY"):
        tracemalloc.start()
    asyncio.run(_serve(make))
    return 0


async def _serve(make: Callable[[], Daemon]) -> None:
    stopping = asyncio.Event()
    _on_signals(stopping)
    daemon = make()
    await daemon.start()
    serving = asyncio.create_task(daemon.run())
    stopped = asyncio.create_task(stopping.wait())
    await asyncio.wait({serving, stopped}, return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    if not serving.done():
        await daemon.goodbye()
        serving.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await serving


def _on_signals(stopping: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopping.set)
    if tracemalloc.is_tracing():
        loop.add_signal_handler(signal.SIGUSR1, _log_traced_memory)


def _log_traced_memory() -> None:
    gc.collect()
    log.info("traced memory: %d bytes", tracemalloc.get_traced_memory()[0])
