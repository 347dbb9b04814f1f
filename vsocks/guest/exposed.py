"""What the guest lets the host connect to: what its own options name, and nothing else."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Final

from vsocks.opened import bound_address
from vsocks.reply import DialError, reply_for_error

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vsocks.address import Target

#: Seconds that a connect within the guest may take.
_TIMEOUT: Final = 10.0


class Exposed:
    """Connects streams of the host to those ``targets`` (addresses, no names)."""

    def __init__(self, targets: Sequence[Target]) -> None:
        self._targets = frozenset(targets)

    def permits(self, target: Target) -> bool:
        """Whether the host may connect to ``target``."""
        return target in self._targets

    async def connect(self, target: Target) -> tuple[socket.socket, Target]:
        """A connection to ``target``, and our end of it. Raises DialError."""
        family = socket.AF_INET6 if ":" in target.host else socket.AF_INET
        connection = socket.socket(family, socket.SOCK_STREAM)
        try:
            connection.setblocking(False)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            async with asyncio.timeout(_TIMEOUT):
                await asyncio.get_running_loop().sock_connect(
                    connection, (target.host, target.port)
                )
            return connection, bound_address(connection)
        except OSError as error:
            connection.close()
            why = error.strerror or type(error).__name__
            raise DialError(reply_for_error(error), f"{target}: {why}") from None
        except BaseException:
            connection.close()
            raise
