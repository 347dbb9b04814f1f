"""Which event loop runs: uvloop where it is installed, else asyncio's own."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import TYPE_CHECKING, Final

from vsocks.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

#: The environment's word for it: uvloop or asyncio.
VARIABLE: Final = "VSOCKS_LOOP"


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    """What makes the loop; raises UsageError if VSOCKS_LOOP names one that isn't there."""
    wanted = os.environ.get(VARIABLE, "")
    if wanted not in {"", "asyncio", "uvloop"}:
        raise UsageError(f"{VARIABLE}={wanted!r}: it can be uvloop or asyncio")
    if wanted != "asyncio" and sys.platform != "win32":
        try:
            import uvloop
        except ImportError:
            if wanted:
                raise UsageError(f"{VARIABLE}={wanted}, but uvloop isn't installed") from None
        else:
            return uvloop.new_event_loop
    return asyncio.new_event_loop


def loop_name() -> str:
    """The running loop's, for the log."""
    module = type(asyncio.get_running_loop()).__module__.partition(".")[0]
    version = getattr(sys.modules.get(module), "__version__", "")
    return f"{module} {version}".strip()
