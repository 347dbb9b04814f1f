"""`vsocks top`: machines and connections with their rates, again and again."""

from __future__ import annotations

import sys
import time
from datetime import datetime
from typing import TYPE_CHECKING, Final

from vsocks.cli.arguments import add_seconds, count
from vsocks.cli.ask import Asking
from vsocks.cli.control import add_socket
from vsocks.cli.rates import Rates
from vsocks.cli.tables import HEADS, row_of, size
from vsocks.control import messages
from vsocks.errors import UnavailableError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence

    from rich.console import RenderableType

    from vsocks.cli.rates import Moving

_RATES: Final = ("SENT/S", "RECEIVED/S")
#: Lines of the screen that are no connection's: heads, lines between, the machines' own.
_OTHER_LINES: Final = 6


def add_top_options(parser: argparse.ArgumentParser) -> None:
    """All that `vsocks top` takes."""
    parser.description = (
        "Show the machines of a running host daemon and their connections, those first that move "
        "most. Where the output is no terminal, write a line for each machine instead."
    )
    add_socket(parser)
    add_seconds(parser, "--interval", 1, "how long to wait in between")
    parser.add_argument(
        "--times", type=count, metavar="N", help="end after so many (default: go on until Ctrl-C)"
    )


def run_top(options: argparse.Namespace) -> int:
    """Show them until Ctrl-C; raises VsocksError if the daemon doesn't answer, or ends."""
    try:
        with Asking(options.control) as daemon:
            views = _views(daemon, options.interval, options.times)
            if sys.stdout.isatty():
                _show(views)
            else:
                _write(views)
    except KeyboardInterrupt:
        pass
    except BrokenPipeError:
        raise UnavailableError("nobody reads the output any more") from None
    return 0


def _views(daemon: Asking, interval: float, times: int | None) -> Iterator[Sequence[Moving]]:
    rates, number = Rates(), 0
    while True:
        told = [*daemon.ask(messages.Status()), *daemon.ask(messages.Connections())]
        yield rates.add(told, time.monotonic())
        number += 1
        if number == times:
            return
        time.sleep(interval)


def _write(views: Iterator[Sequence[Moving]]) -> None:
    """A line for each machine, for a file or a pipe."""
    for view in views:
        now = datetime.now().astimezone().isoformat(timespec="seconds")
        for each in view:
            if isinstance(each.item, messages.Machine):
                name, session, connections, *_ = row_of(each.item)
                sent, received = _rates(each)
                told = f"session {session}, connections {connections}"
                sys.stdout.write(f"{now} {name}: {told}, sent {sent}, received {received}\n")
        sys.stdout.flush()


def _show(views: Iterator[Sequence[Moving]]) -> None:
    """Tables that take the whole screen, if rich is there."""
    from rich.console import Console
    from rich.live import Live

    console = Console()
    with Live(console=console, screen=True, auto_refresh=False) as live:
        for view in views:
            live.update(_tables(view, console.height), refresh=True)


def _tables(view: Sequence[Moving], height: int) -> RenderableType:
    from rich.console import Group

    machines = [each for each in view if isinstance(each.item, messages.Machine)]
    connections = [each for each in view if isinstance(each.item, messages.Connection)]
    connections.sort(key=lambda each: each.sent + each.received, reverse=True)
    room = max(0, height - _OTHER_LINES)
    shown = machines[:room]
    return Group(
        _table(HEADS[messages.Machine], shown),
        "",
        _table(HEADS[messages.Connection], connections[: room - len(shown)]),
    )


def _table(heads: Sequence[str], rows: Sequence[Moving]) -> RenderableType:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, expand=True, pad_edge=False)
    for head in (*heads, *_RATES):
        table.add_column(head, no_wrap=True)
    for each in rows:
        # As it is: an address in brackets is no markup.
        table.add_row(*(Text(cell) for cell in (*row_of(each.item), *_rates(each))))
    return table


def _rates(each: Moving) -> tuple[str, str]:
    return f"{size(each.sent)}/s", f"{size(each.received)}/s"
