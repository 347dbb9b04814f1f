"""Logging refusals, but not so many that a hostile guest could fill the disk."""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from vsocks.policy.token_bucket import TokenBucket

log = logging.getLogger(__name__)

#: Refusals logged, a second in the long run and at once.
_LOGGED: Final = 2.0
_AT_ONCE: Final = 50


class Refusals:
    """Logs refusals; those beyond the rate are only counted, in the next line."""

    def __init__(self) -> None:
        self._rate = TokenBucket(_LOGGED, burst=_AT_ONCE)
        self._left_out = 0
        self._loop = asyncio.get_running_loop()

    def note(self, reason: str) -> None:
        """Something was refused."""
        if not self._rate.take(now=self._loop.time()):
            self._left_out += 1
            return
        more = f" (and {self._left_out} more before it)" if self._left_out else ""
        self._left_out = 0
        log.info("refused: %s%s", reason, more)
