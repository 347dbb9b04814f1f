"""A peer: one way from a client to a target that is compared with the others."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

from .child import Child
from .load.route import Address, Route
from .load.workloads import Routes


@dataclass(frozen=True, slots=True)
class Targets:
    """Where the load goes (see `Routes`)."""

    bulk: Address
    small: Address


@dataclass(frozen=True, slots=True)
class Way:
    """A peer that is up."""

    routes: Routes
    daemons: list[Child] = field(default_factory=list)
    """The processes at work between client and target; empty if there are none."""
    forks: bool = False
    """A process for each connection: then nobody's memory can be told afterwards."""


Peer = Callable[[Targets, Path], AbstractContextManager[Way]]
"""Brings a way to the targets up, with its files and logs in that directory, and down at exit."""


def through(proxy: Address, targets: Targets, daemons: list[Child]) -> Way:
    """The way through a SOCKS5 proxy."""
    return Way(Routes(Route(proxy, targets.bulk), Route(proxy, targets.small)), daemons)
