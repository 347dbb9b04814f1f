"""A peer: one way from a client to a target that is compared with the others."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, TypeVar

from .child import Child
from .load.socks5 import Address

R = TypeVar("R")
"""The routes that a comparison's workloads take."""


@dataclass(frozen=True, slots=True)
class Targets:
    """Where the load goes, each a process of its own."""

    bulk: Address
    small: Address
    http: Address
    datagrams: Address


@dataclass(frozen=True, slots=True)
class Way(Generic[R]):
    """A peer that is up."""

    routes: R
    daemons: list[Child] = field(default_factory=list)
    """The processes at work between client and target; empty if there are none."""
    forks: bool = False
    """A process for each connection: then nobody's memory can be told afterwards."""


Peer = Callable[[Targets, Path], AbstractContextManager[Way[R]]]
"""Brings a way to the targets up, with its files and logs in that directory, and down at exit."""

Through = Callable[[Address | None, Targets], R]
"""The routes by the proxy that listens there; straight to the targets if there is none."""
