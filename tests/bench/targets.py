"""The targets of the load, as processes."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .child import Child
from .load import target
from .load.route import Address
from .peer import Targets
from .scratch import scratch_directory


@contextmanager
def serving_targets() -> Iterator[Targets]:
    with (
        scratch_directory() as directory,
        _target(directory / "bulk.log") as bulk,
        _target(directory / "small.log") as small,
    ):
        yield Targets(bulk=_address(bulk), small=_address(small))


def _target(log: Path) -> Child:
    return Child([sys.executable, "-m", target.__name__], log)


def _address(child: Child) -> Address:
    found = child.wait_for(r"listening on ([\d.]+):(\d+)")
    return found[1], int(found[2])
