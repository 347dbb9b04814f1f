"""The targets of the load, as processes."""

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import ModuleType

from .child import Child
from .load import datagram_target, http_target, target
from .load.socks5 import Address
from .peer import Targets
from .scratch import scratch_directory

PROGRAMS: dict[str, ModuleType] = {
    "bulk": target,
    "small": target,
    "http": http_target,
    "datagrams": datagram_target,
}


@contextmanager
def serving_targets() -> Iterator[Targets]:
    with ExitStack() as stack:
        directory = stack.enter_context(scratch_directory())
        children = {
            name: stack.enter_context(
                Child([sys.executable, "-m", program.__name__], directory / f"{name}.log")
            )
            for name, program in PROGRAMS.items()
        }
        yield Targets(**{name: _address(child) for name, child in children.items()})


def _address(child: Child) -> Address:
    found = child.wait_for(r"listening on ([\d.]+):(\d+)")
    return found[1], int(found[2])
