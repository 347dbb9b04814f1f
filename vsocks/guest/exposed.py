"""What the guest lets the host connect to: what its own options name, and nothing else."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from typing import TYPE_CHECKING, Final

from vsocks.address import target_of
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
            return connection, target_of(connection.getsockname())
        except OSError as error:
            connection.close()
            raise DialError(reply_for_error(error), f"{target}: {_reason(error)}") from None
        except BaseException:
            connection.close()
            raise


def _reason(error: OSError) -> str:
    """Why connecting failed, in words for the log."""
    if error.errno is not None and sys.platform != "win32":
        # asyncio's own text says only that it did.
        return os.strerror(error.errno)
    return error.strerror or type(error).__name__
