"""Machines whose sockets are found by a pattern: unix:/run/vms/*/vsocks.sock.

The folder is looked through once a second. inotify would say so sooner, but has to watch each
folder on the way, may lose what happens while one of them is made anew, and needs the same look
then; a look costs a fraction of a millisecond.
"""

from __future__ import annotations

import glob
from typing import TYPE_CHECKING, Final

from vsocks.errors import UsageError
from vsocks.host.found import Found

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from vsocks.host.config import HostConfig

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


class Pattern(Found):
    """An Origin: each socket that matches is a machine, with the name that the * stands for."""

    def __init__(
        self, channel: str, config: HostConfig, *, trace: Path | None = None, hold: bool = True
    ) -> None:
        """Raises UsageError if ``channel`` is no pattern; each machine is as the rest says."""
        super().__init__(config, trace=trace, hold=hold)
        self._before, self._after = split_pattern(channel)

    async def start(self) -> None:
        """Nothing to begin with: each find() looks."""

    async def close(self) -> None:
        """Nothing to end."""

    def channels(self) -> Iterator[tuple[str, str]]:
        """The sockets that are there now, by name."""
        pattern = f"{glob.escape(self._before)}*{glob.escape(self._after)}"
        for path in sorted(glob.iglob(pattern)):  # noqa: PTH207 - pathlib can't escape
            yield path[len(self._before) : len(path) - len(self._after)], f"{_KIND}{path}"
