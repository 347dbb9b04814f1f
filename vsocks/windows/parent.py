"""The one-file program runs as two processes: one unpacks and waits, the other is the daemon.

Ending the first, in the task manager for example, must end the second.
"""

from __future__ import annotations

import sys

assert sys.platform == "win32"

import _thread
import _winapi
import os
import signal
import threading
from pathlib import Path
from typing import Final

_SYNCHRONIZE: Final = 0x00100000


def end_with_parent() -> None:
    """In the one-file form, end as by Ctrl-C when the process that unpacked us ends."""
    unpacked = getattr(sys, "_MEIPASS", None)
    if unpacked is None or Path(sys.executable).parent in Path(unpacked).parents:
        return
    try:
        parent = _winapi.OpenProcess(_SYNCHRONIZE, False, os.getppid())
    except OSError:
        return  # it may not be watched
    threading.Thread(target=_watch, args=(parent,), name="parent", daemon=True).start()


def _watch(parent: int) -> None:
    _winapi.WaitForSingleObject(parent, _winapi.INFINITE)
    _thread.interrupt_main(signal.SIGINT)
