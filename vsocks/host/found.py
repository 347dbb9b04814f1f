"""Machines that are found by their channels, all served as one table of the file says."""

from __future__ import annotations

import logging
import re
from abc import ABC, abstractmethod
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from vsocks.channel.spec import parse_spec
from vsocks.errors import UsageError, describe
from vsocks.host.machines import Machine

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from vsocks.host.config import HostConfig

log = logging.getLogger(__name__)

NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,63}")
"""What a machine can be called."""
NAME_IN_WORDS: Final = "1 to 64 letters, digits or . _ + - with a letter or digit first"

ALL_DOMAINS: Final = "libvirt:*"
"""The channel that stands for those of all machines that libvirt runs (libvirt_machines.py)."""


class Found(ABC):
    """An Origin whose machines have their names from where their channels are."""

    def __init__(self, config: HostConfig, *, trace: Path | None = None, hold: bool = True) -> None:
        """Each machine is as ``config`` and the rest say."""
        self._config = config
        self._trace = trace
        self._hold = hold
        self._said: set[str] = set()

    @abstractmethod
    async def start(self) -> None:
        """See Origin."""

    @abstractmethod
    async def close(self) -> None:
        """See Origin."""

    @abstractmethod
    def channels(self) -> Iterable[tuple[str, str]]:
        """The names and the channels that are there now, in order."""

    def find(self) -> Iterator[Machine]:
        """The machines that are there now; the log says once why something is none."""
        said: set[str] = set()
        for name, channel in self.channels():
            try:
                yield self._machine(name, channel)
            except UsageError as error:
                said.add(channel)
                if channel not in self._said:
                    log.warning("no machine: %r: %s", channel, describe(error))
        self._said = said

    def _machine(self, name: str, channel: str) -> Machine:
        """Raises UsageError if it can't be one."""
        if not NAME.fullmatch(name):
            raise UsageError(f"a machine's name has {NAME_IN_WORDS}")
        config = replace(self._config, name=name)
        return Machine(parse_spec(channel), config, self._trace, self._hold)
