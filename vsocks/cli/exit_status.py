"""The exit statuses: whether it is the command that is wrong, or what it met.

Those of circumstances are sysexits.h's, which systemd shows by name.
"""

from __future__ import annotations

from typing import Final

from vsocks.errors import ForbiddenError, UnavailableError, UsageError, VsocksError

FAILED: Final = 1
#: What was asked for makes no sense, and never will: say it otherwise.
USAGE: Final = 2
#: Something isn't there, or is taken: it may work later (EX_UNAVAILABLE).
UNAVAILABLE: Final = 69
#: The system doesn't let us (EX_NOPERM).
FORBIDDEN: Final = 77

_STATUSES: Final = {UsageError: USAGE, UnavailableError: UNAVAILABLE, ForbiddenError: FORBIDDEN}


def status_of(error: VsocksError) -> int:
    """The exit status of a program that ends for that error."""
    return next((status for kind, status in _STATUSES.items() if isinstance(error, kind)), FAILED)
