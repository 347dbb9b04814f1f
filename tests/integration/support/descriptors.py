"""What descriptors a process holds."""

from __future__ import annotations

import contextlib
from collections import Counter
from pathlib import Path


def descriptors(pid: int) -> Counter[str]:
    """How many of each kind; all sockets are one kind, and each file is one."""
    names = []
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed a moment ago
            names.append(str(link.readlink()))
    return Counter(name.partition(":[")[0] for name in names)
