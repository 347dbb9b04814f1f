"""What a service manager such as systemd is told, and what it has kept for us.

sd_notify(3) and sd_listen_fds(3). Where no service manager is, nothing happens.
"""

from __future__ import annotations

import logging
import os
import socket
import sys
from typing import TYPE_CHECKING, Final

from vsocks.errors import describe

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

log = logging.getLogger(__name__)

#: The first descriptor that is handed over (SD_LISTEN_FDS_START).
FIRST_DESCRIPTOR: Final = 3
#: Seconds that the service manager may take for a message.
_PATIENCE: Final = 0.5


def is_there(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether a service manager listens."""
    return environment.get("NOTIFY_SOCKET", "")[:1] in {"/", "@"}


def watchdog_interval(environment: Mapping[str, str] = os.environ) -> float | None:
    """Seconds within which it wants to be told WATCHDOG=1; None if it doesn't."""
    microseconds = environment.get("WATCHDOG_USEC", "")
    for_us = environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
    return int(microseconds) / 1e6 if for_us and microseconds.isdigit() else None


def names_of_kept(environment: Mapping[str, str] = os.environ) -> list[str]:
    """The names of the descriptors that were handed over, from FIRST_DESCRIPTOR on."""
    count = environment.get("LISTEN_FDS", "")
    if environment.get("LISTEN_PID") != str(os.getpid()) or not count.isdigit():
        return []
    names = environment.get("LISTEN_FDNAMES", "").split(":")
    return [*names, *[""] * int(count)][: int(count)]


def is_stopping() -> bool:
    """Whether this process has said that it ends."""
    return _STOPPING in _told


#: What this process has told.
_told: set[str] = set()
_STOPPING: Final = "STOPPING=1"


if sys.platform == "win32":

    def tell(*_lines: str, descriptors: Sequence[int] = ()) -> None:
        """Windows has none."""

else:

    def tell(*lines: str, descriptors: Sequence[int] = ()) -> None:
        """Send these assignments, such as READY=1, and descriptors for it to keep."""
        if not is_there():
            return
        _told.update({_STOPPING} & {*lines})
        address = os.environ["NOTIFY_SOCKET"]
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sending:
            sending.settimeout(_PATIENCE)
            try:
                sending.connect("\0" + address[1:] if address[0] == "@" else address)
                socket.send_fds(sending, ["\n".join(lines).encode()], list(descriptors))
            except OSError as error:
                log.warning("the service manager can't be told %s: %s", lines[0], describe(error))
