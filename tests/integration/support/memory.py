"""How much memory a daemon's process has taken."""

from __future__ import annotations

import re
from pathlib import Path


def own_memory(pid: int) -> int:
    """Bytes of memory of its own that a process holds.

    The pool of buffers is none of it, being shared memory to the system, and being fixed: how much
    of it has been touched so far is a matter of chance.
    """
    status = Path(f"/proc/{pid}/status").read_text()
    held = re.search(r"^RssAnon:\s+(\d+) kB$", status, re.MULTILINE)
    if held is None:
        raise ProcessLookupError(f"process {pid} has ended")
    return int(held[1]) * 1024
