"""Operations that were cancelled but have not ended: until then their buffers are in use.

On Windows the system carries out a read or a write, in the buffer it was given, and cancelling one
(CancelIoEx) is only a request. asyncio cancels the future at once and remembers the operation. On
other systems asyncio reads and writes by itself, and there is nothing to wait for.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

#: Seconds between two looks: of an operation that was given up nothing more is told.
_POLL: Final = 0.01


async def have_ended(owner: object | None = None, *, within: float) -> bool:
    """Wait until no operation on ``owner`` (a socket, a handle; None: any) is under way.

    Returns False if one still is after ``within`` seconds.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + within
    while _under_way(loop, owner):
        if loop.time() > deadline:
            return False
        await asyncio.sleep(_POLL)
    return True


def _under_way(loop: Any, owner: object | None) -> bool:
    proactor = getattr(loop, "_proactor", None)
    if proactor is None:
        return False
    # Address -> (future, operation, owner, callback): windows_events.py, IocpProactor._register().
    return any(
        operation.pending
        for _, operation, whose, _ in proactor._cache.values()  # noqa: SLF001
        if (whose is owner if owner is not None else whose is not loop._ssock)  # noqa: SLF001
    )
