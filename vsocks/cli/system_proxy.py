"""The command `system-proxy`: making the system's proxy settings point to ours."""

from __future__ import annotations

import argparse
import sys
from typing import Final

from vsocks.address import Target, parse_host, parse_host_port
from vsocks.cli import setup_lines
from vsocks.cli.arguments import being
from vsocks.errors import UsageError

DESCRIPTION: Final = "Have programs that follow the system's settings use the proxy."

_LISTEN: Final = "127.0.0.1:1080"


def add_commands(parser: argparse.ArgumentParser) -> None:
    """Add the commands to ``parser``; in parsed options ``run`` returns the exit status."""
    commands = parser.add_subparsers(required=True, metavar="on|off|status|show")
    on = commands.add_parser("on", help="set the proxy, and save the settings from before")
    off = commands.add_parser("off", help="restore the settings from before")
    status = commands.add_parser("status", help="show what is set; exit status 0 if it is ours")
    show = commands.add_parser("show", help="print the commands that do it, for you to run")
    for command in (on, show):
        command.add_argument(
            "--listen",
            type=_address,
            default=_LISTEN,
            metavar="ADDR:PORT",
            help=f"where the guest daemon listens (default: {_LISTEN})",
        )
    on.add_argument(
        "--pac", action="store_true", help="set the proxy's PAC file instead, in WinINET"
    )
    for command in (on, off, status):
        whose = command.add_mutually_exclusive_group()
        whose.add_argument(
            "--user-only",
            action="store_true",
            help="only WinINET, for the current user; WinHTTP needs administrator rights",
        )
        whose.add_argument(
            "--all-users",
            action="store_true",
            help="WinINET for all users of this machine, not for the current one (for SYSTEM, this "
            "is the default)",
        )
    on.set_defaults(run=_on)
    off.set_defaults(run=_off)
    status.set_defaults(run=_status)
    show.set_defaults(run=_show)


def _address(text: str) -> Target:
    """The proxy's address for its clients, without any character that a shell might interpret.

    Raises ArgumentTypeError.
    """
    with being(text, "ADDR:PORT"):
        host, port = parse_host_port(text)
        return setup_lines.as_clients_see_it(Target(parse_host(host), port))


def _show(options: argparse.Namespace) -> int:
    for line in _lines(options.listen):
        sys.stdout.write(f"{line}\n")
    return 0


if sys.platform == "win32":
    from vsocks.windows import proxy_commands

    _lines = setup_lines.cmd_lines

    def _scope(options: argparse.Namespace) -> proxy_commands.Scope:
        return proxy_commands.scope_of(user_only=options.user_only, every_user=options.all_users)

    def _on(options: argparse.Namespace) -> int:
        proxy: Target = options.listen
        script = setup_lines.script_url(proxy) if options.pac else None
        return proxy_commands.turn_on(
            str(proxy), setup_lines.WINDOWS_BYPASS, script, _scope(options)
        )

    def _off(options: argparse.Namespace) -> int:
        return proxy_commands.turn_off(_scope(options))

    def _status(options: argparse.Namespace) -> int:
        return proxy_commands.status(_scope(options))

else:
    _lines = setup_lines.shell_lines

    def _only_on_windows(_options: argparse.Namespace) -> int:
        raise UsageError(
            "only Windows has settings that all programs take; "
            "for the lines that tell the programs of a shell: system-proxy show"
        )

    _on = _off = _status = _only_on_windows
