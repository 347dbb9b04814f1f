"""Machines whose sockets are found by a pattern: unix:/run/vms/*/vsocks.sock.

The folder is looked through once a second. inotify would say so sooner, but has to watch each
folder on the way, may lose what happens while one of them is made anew, and needs the same look
then; a look costs a fraction of a millisecond.
"""

from __future__ import annotations

import glob
import logging
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from vsocks.channel.spec import parse_spec
from vsocks.errors import UsageError, describe
from vsocks.host.machines import Machine

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from vsocks.host.config import HostConfig

log = logging.getLogger(__name__)

NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,63}")
"""What a machine can be called."""
NAME_IN_WORDS: Final = "1 to 64 letters, digits or . _ + - with a letter or digit first"

_KIND: Final = "unix:"


def is_pattern(channel: str) -> bool:
    """Whether the channel of a machine stands for those of many."""
    return channel.startswith(_KIND) and "*" in channel


def split_pattern(channel: str) -> tuple[str, str]:
    """What stands before and behind the * in a path. Raises UsageError if it is no pattern."""
    before, *after = channel.removeprefix(_KIND).split("*")
    if not is_pattern(channel) or len(after) != 1 or not before.startswith("/"):
        raise UsageError(
            f"'{channel}' is no pattern: it is an absolute path with one * in it, as in "
            "unix:/run/vms/*/vsocks.sock"
        )
    return before, after[0]


class Pattern:
    """An Origin: each socket that matches is a machine, with the name that the * stands for."""

    def __init__(
        self, channel: str, config: HostConfig, *, trace: Path | None = None, hold: bool = True
    ) -> None:
        """Raises UsageError if ``channel`` is no pattern; each machine is as the rest says."""
        self._before, self._after = split_pattern(channel)
        self._config = config
        self._trace = trace
        self._hold = hold
        self._said: set[str] = set()

    def find(self) -> Iterator[Machine]:
        """The machines whose sockets are there now, by name."""
        said: set[str] = set()
        pattern = f"{glob.escape(self._before)}*{glob.escape(self._after)}"
        for path in sorted(glob.iglob(pattern)):  # noqa: PTH207 - pathlib can't escape
            try:
                yield self._machine(path)
            except UsageError as error:
                said.add(path)
                if path not in self._said:
                    log.warning("no machine: %r: %s", path, describe(error))
        self._said = said

    def _machine(self, path: str) -> Machine:
        """Raises UsageError if it can't be one."""
        name = path[len(self._before) : len(path) - len(self._after)]
        if not NAME.fullmatch(name):
            raise UsageError(f"a machine's name has {NAME_IN_WORDS}")
        spec = parse_spec(f"{_KIND}{path}")
        return Machine(spec, replace(self._config, name=name), self._trace, self._hold)
