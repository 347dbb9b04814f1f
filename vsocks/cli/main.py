"""The command line: one command each for the guest and the host."""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING

from vsocks.channel import open_source, parse_spec
from vsocks.cli import logs, system_proxy
from vsocks.cli.arguments import Parser, add_version
from vsocks.cli.check_config import add_check_options, run_check
from vsocks.cli.decode import add_decode_options, run_decode
from vsocks.cli.exit_status import status_of
from vsocks.cli.guest_options import add_guest_options, guest_config
from vsocks.cli.missing_package import missing_package
from vsocks.cli.run import run_until_signal
from vsocks.errors import VsocksError, describe

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from vsocks.guest.daemon import Guest


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    options = command_line().parse_args(arguments)
    return reporting(f"vsocks {options.command}", lambda: int(options.run(options)))


def reporting(program: str, run: Callable[[], int]) -> int:
    """The exit status of ``run``; a VsocksError becomes one line on stderr."""
    try:
        try:
            return run()
        except ModuleNotFoundError as error:
            missing = missing_package(error)
            if missing is None:
                raise
            raise missing from None
    except VsocksError as error:
        sys.stderr.write(f"{program}: error: {describe(error)}\n")
        return status_of(error)


def command_line() -> Parser:
    """All commands, with their options."""
    # Not at the top: the Windows program has no host daemon.
    from vsocks.cli.attach import add_attach_options, add_detach_options, run_attach, run_detach
    from vsocks.cli.control import add_control_commands
    from vsocks.cli.host_options import add_host_options
    from vsocks.cli.top import add_top_options, run_top

    parser = Parser(
        prog="vsocks",
        description="A door to the network for virtual machines without a network card.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    guest = commands.add_parser("guest", help="run in the VM: a SOCKS and HTTP proxy")
    add_guest_options(guest)
    guest.set_defaults(run=run_guest)
    host = commands.add_parser("host", help="run on the VM's host: makes the connections")
    add_host_options(host)
    host.set_defaults(run=partial(_run_host, host))
    add_control_commands(commands)
    top = commands.add_parser("top", help="a running daemon's machines and connections, live")
    add_top_options(top)
    top.set_defaults(run=run_top)
    check = commands.add_parser("check-config", help="say what is wrong in a configuration file")
    add_check_options(check, _check_host)
    check.set_defaults(run=run_check)
    attached = commands.add_parser("attach", help="give a running QEMU a channel, by QMP")
    add_attach_options(attached)
    attached.set_defaults(run=run_attach)
    detached = commands.add_parser("detach", help="take it away again")
    add_detach_options(detached)
    detached.set_defaults(run=run_detach)
    decode = commands.add_parser("decode", help="show what went through a channel, frame by frame")
    add_decode_options(decode)
    decode.set_defaults(run=run_decode)
    lines = commands.add_parser("system-proxy", help="have programs in the VM use the proxy")
    system_proxy.add_commands(lines)
    for each in (parser, *commands.choices.values()):
        add_version(each, "vsocks")
    return parser


def run_guest(options: argparse.Namespace) -> int:
    """Run the guest daemon until a signal; raises VsocksError if it can't start."""
    logs.configure_by(options)
    make = guest_maker(options)
    run_until_signal(make)
    return 0


def guest_maker(options: argparse.Namespace, *, is_service: bool = False) -> Callable[[], Guest]:
    """A function that makes the guest daemon; raises UsageError if the options make no sense.

    A service takes no port that may be another program's, unless it is named: it would keep that
    one out from each start of the machine.
    """
    from vsocks.guest.daemon import Guest

    spec = parse_spec(options.channel)
    if is_service and spec.kind == "auto":
        spec = parse_spec("virtio")
    config = guest_config(options)
    return lambda: Guest(config, open_source(spec))


def _run_host(parser: Parser, options: argparse.Namespace) -> int:
    from vsocks.cli.host_run import run_host, run_machines

    if options.config is not None:
        return run_machines(parser, options)
    logs.configure_by(options)
    return run_host(options)


def _check_host(path: Path) -> str:
    from vsocks.cli.host_setup import check_host_file

    return check_host_file(path)
