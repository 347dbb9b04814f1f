"""What the host may connect to in the guest: what --expose names, and nothing else."""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

from vsocks.mux.dial import Dial

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vsocks.address import Target
    from vsocks.aio.reactor import Watch
    from vsocks.mux.incoming import Connected

#: Seconds that a connect within the guest may take.
_TIMEOUT: Final = 10.0


class Exposed:
    """Connects the host's streams to ``targets`` (addresses, no names) and to nothing else."""

    def __init__(self, targets: Sequence[Target]) -> None:
        self._targets = frozenset(targets)

    def permits(self, target: Target) -> bool:
        """Whether the host may connect to ``target``."""
        return target in self._targets

    def connect(self, target: Target, done: Connected) -> Watch:
        """Begin to connect to ``target``; ``done`` gets the connection and our end of it."""
        return Dial(target, ip_address(target.host), _TIMEOUT, done)
