"""What the process itself may have and do, as far as the system lets a program say so."""

from __future__ import annotations

import contextlib
import ctypes
import logging
import sys
from typing import Final

log = logging.getLogger(__name__)

#: prctl(2): nothing that this process runs can have more rights than it has.
_PR_SET_NO_NEW_PRIVS: Final = 38


def renounce_privileges() -> None:
    """Never have more rights than now, not by a setuid program either; Linux only."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


if sys.platform == "win32":

    def take_descriptors(needed: int) -> int:
        """Windows has no such limit."""
        return needed

else:
    import resource

    def take_descriptors(needed: int) -> int:
        """See that ``needed`` descriptors can be had, and say so if not; returns how many can."""
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if hard == resource.RLIM_INFINITY:
            hard = needed
        if soft != resource.RLIM_INFINITY and soft < needed:
            soft = min(needed, hard)
            with contextlib.suppress(OSError, ValueError):
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        if soft < needed:
            log.warning(
                "only %d descriptors can be had, and all that is allowed may take %d: raise the "
                "limit (ulimit -n, LimitNOFILE=) or lower --max-streams and --max-associations",
                soft,
                needed,
            )
        return soft
