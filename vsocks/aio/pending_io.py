"""Operations that were cancelled and haven't ended: until they have, their buffers are theirs.

On Windows a read or write is carried out by the system, in the buffer it was given; to cancel it
is a wish (CancelIoEx). asyncio gives the future up at once and keeps the operation in mind. On
other systems asyncio itself reads and writes, and there is nothing to wait for.
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
