"""The raw pipe: socat on both sides of a unix socket, a new one for each connection.

No multiplexing, no SOCKS, no crypto: two processes that copy are the least that a relay can do.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from .child import Child
from .load.route import Route
from .load.socks5 import Address
from .load.workloads import Routes
from .peer import Targets, Way
from .ports import free_port, wait_until_open

SOCAT = ("socat", "-b", "262144")


@contextmanager
def socat(targets: Targets, directory: Path) -> Iterator[Way[Routes]]:
    with ExitStack() as stack:
        bulk = _relay(stack, targets.bulk, directory / "bulk")
        small = _relay(stack, targets.small, directory / "small")
        routes = Routes(Route(bulk[0]), Route(small[0]))
        yield Way(routes, [*bulk[1], *small[1]], forks=True)


def _relay(stack: ExitStack, target: Address, pipe: Path) -> tuple[Address, list[Child]]:
    """Two socats that lead to the target; the address of their door."""
    host, port = target
    log = pipe.with_suffix(".log")
    far = [*SOCAT, f"UNIX-LISTEN:{pipe},fork,backlog=128", f"TCP:{host}:{port},nodelay"]
    door = ("127.0.0.1", free_port())
    near = [
        *SOCAT,
        f"TCP-LISTEN:{door[1]},bind={door[0]},fork,backlog=128,nodelay",
        f"UNIX-CONNECT:{pipe}",
    ]
    daemons = [stack.enter_context(Child(command, log)) for command in (far, near)]
    wait_until_open(door, daemons[-1])
    return door, daemons
