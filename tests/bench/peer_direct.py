"""Nothing in between: what the load and the machine's own network can do at most."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from .peer import Peer, R, Targets, Through, Way


def direct(through: Through[R]) -> Peer[R]:
    return partial(_direct, through)


@contextmanager
def _direct(through: Through[R], targets: Targets, directory: Path) -> Iterator[Way[R]]:
    yield Way(through(None, targets))
