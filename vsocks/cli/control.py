"""The commands that ask a host daemon which runs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from vsocks.cli import exit_status
from vsocks.cli.ask import PATH, Asking
from vsocks.cli.tables import lines_of
from vsocks.control import messages
from vsocks.control.lines import item_text

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from vsocks.cli.arguments import Parser
    from vsocks.control.messages import Item, Request

    Commands = argparse._SubParsersAction[Parser]  # noqa: SLF001 - it has no other name

_MACHINE: Final = "of which machine; may be left out if there is only one"


def add_control_commands(commands: Commands) -> None:
    """Add them; in parsed options ``run`` returns the exit status."""
    status = commands.add_parser("status", help="what a running host daemon serves")
    _asks(status, lambda _: messages.Status())
    connections = commands.add_parser("connections", help="the connections that stand there")
    _machine(connections, "of which machine (default: of all)")
    _asks(connections, lambda options: messages.Connections(options.machine))
    close = commands.add_parser("close", help="end one of these connections")
    close.add_argument("id", type=int, metavar="ID", help="its id, as vsocks connections has it")
    _asks(close, lambda options: messages.Close(options.id))
    forward = commands.add_parser("forward", help="forward ports into a guest, while it runs")
    _add_forward_commands(forward)
    reload = commands.add_parser("reload", help="have the daemon read its files anew, as SIGHUP")
    _asks(reload, lambda _: messages.Reload())
    check = commands.add_parser("check", help="which rule decides, for each address of a target")
    check.epilog = "The exit status is 0 if an address is allowed, 1 if none is."
    _machine(check, _MACHINE)
    check.add_argument("target", metavar="NAME:PORT", help="a name or an address, and a port")
    _asks(check, lambda options: messages.Check(options.target, options.machine), _check)
    metrics = commands.add_parser("metrics", help="the daemon's metrics, as Prometheus reads them")
    _asks(metrics, lambda _: messages.Metrics())


def _add_forward_commands(parser: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(required=True, metavar="add|remove|list")
    add = commands.add_parser("add", help="forward one more port, until the daemon ends")
    _machine(add, _MACHINE)
    add.add_argument(
        "forward",
        metavar="[ADDR:]PORT:GUESTADDR:GUESTPORT",
        help="as vsocks host --forward takes it",
    )
    _asks(add, lambda options: messages.AddForward(options.forward, options.machine))
    remove = commands.add_parser("remove", help="forward it no more; its connections are reset")
    _machine(remove, _MACHINE)
    remove.add_argument("listen", metavar="[ADDR:]PORT", help="where it listens on the host")
    _asks(remove, lambda options: messages.RemoveForward(options.listen, options.machine))
    listed = commands.add_parser("list", help="the ports that are forwarded")
    _machine(listed, "of which machine (default: of all)")
    _asks(listed, lambda options: messages.ListForwards(options.machine))


def _machine(parser: argparse.ArgumentParser, text: str) -> None:
    parser.add_argument("machine", nargs="?", metavar="MACHINE", help=text)


def _asks(
    parser: argparse.ArgumentParser,
    request: Callable[[argparse.Namespace], Request],
    status: Callable[[list[Item]], int] = lambda _: 0,
) -> None:
    """Have a command ask that; ``status`` is its exit status by the items of the answer."""
    add_socket(parser)
    parser.add_argument(
        "--json", action="store_true", help="write an object of JSON a line, for programs"
    )
    parser.set_defaults(run=lambda options: _run(options, request(options), status))


def add_socket(parser: argparse.ArgumentParser) -> None:
    """--control, where the daemon is asked."""
    parser.add_argument(
        "--control",
        type=Path,
        default=PATH,
        metavar="PATH",
        help=f"the daemon's control socket (default: {PATH})",
    )


def _run(options: argparse.Namespace, request: Request, status: Callable[[list[Item]], int]) -> int:
    with Asking(options.control) as daemon:
        items = list(daemon.ask(request))
    for line in map(item_text, items) if options.json else lines_of(items):
        sys.stdout.write(f"{line}\n")
    return status(items)


def _check(items: list[Item]) -> int:
    allowed = any(isinstance(item, messages.Judgement) and item.allowed for item in items)
    return 0 if allowed else exit_status.FAILED
