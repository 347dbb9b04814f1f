"""Nothing in between: what the load and the machine's own TCP can do at most."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .load.route import Route
from .load.workloads import Routes
from .peer import Targets, Way


@contextmanager
def direct(targets: Targets, directory: Path) -> Iterator[Way]:
    yield Way(Routes(Route(targets.bulk), Route(targets.small)))
