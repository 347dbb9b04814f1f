"""The one reactor of each event loop, of the kind that suits the system."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from vsocks.aio.reactor import Reactor

_reactors: WeakKeyDictionary[asyncio.AbstractEventLoop, Reactor] = WeakKeyDictionary()


def reactor() -> Reactor:
    """The reactor of the running event loop; made on first use."""
    loop = asyncio.get_running_loop()
    found = _reactors.get(loop)
    if found is None:
        found = _reactors[loop] = _new_reactor(loop)
    return found


def use(made: Reactor) -> None:
    """Have the running event loop use ``made``; call this before reactor()."""
    _reactors[asyncio.get_running_loop()] = made


def _new_reactor(loop: asyncio.AbstractEventLoop) -> Reactor:
    if sys.platform != "win32":
        from vsocks.aio.readiness import Readiness

        return Readiness(loop)

    from vsocks.aio.completion import Completion

    return Completion(loop)
