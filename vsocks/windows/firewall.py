"""Rules of Windows' firewall for a service that other machines are to reach, by netsh."""

from __future__ import annotations

import sys

assert sys.platform == "win32"

from typing import TYPE_CHECKING

from vsocks.errors import describe
from vsocks.windows.netsh import netsh

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


def set_rules(name: str, program: Path, ports: Mapping[str, Sequence[int]]) -> str:
    """Let others in to ``program`` at these ports of ``ports``' protocols (TCP, UDP), and no more.

    All rules of that name are replaced; without ports there are none. Returns what netsh said
    if it refused, or nothing.
    """
    # There may be none, which it calls an error.
    _netsh("delete", "rule", f"name={name}")
    for protocol, numbers in ports.items():
        if numbers:
            where = ",".join(str(number) for number in sorted(set(numbers)))
            rule = ("dir=in", "action=allow", f"program={program}", f"protocol={protocol}")
            failed, said = _netsh("add", "rule", f"name={name}", *rule, f"localport={where}")
            if failed:
                return said
    return ""


def _netsh(*words: str) -> tuple[bool, str]:
    """Whether it failed, and what it said."""
    try:
        status, said = netsh("advfirewall", "firewall", *words)
    except OSError as error:
        return True, describe(error)
    return status != 0, " ".join(said.split())
