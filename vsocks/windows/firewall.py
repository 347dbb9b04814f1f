"""Rules of Windows' firewall for a service that other machines are to reach, by netsh."""

from __future__ import annotations

import sys

assert sys.platform == "win32"

import subprocess
from typing import TYPE_CHECKING, Final

from vsocks.errors import describe
from vsocks.windows.installed import system_folder

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_SECONDS: Final = 60


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
    program = system_folder() / "netsh.exe"
    try:
        ended = subprocess.run(
            [program, "advfirewall", "firewall", *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            errors="replace",
            timeout=_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return True, describe(error)
    return ended.returncode != 0, " ".join(ended.stdout.split())
