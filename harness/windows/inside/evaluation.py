"""How long this Windows may run, as it says itself."""

from __future__ import annotations

import subprocess

# Of the licence that has a key, in minutes: what is left of the evaluation, or of the days in which
# it wants to be activated. The long number is Windows' own application identifier.
QUERY = (
    "(Get-CimInstance SoftwareLicensingProduct -Filter "
    "\"ApplicationID='55c92734-d682-4d71-983e-d6ec3f16059f' AND PartialProductKey IS NOT NULL\""
    ").GracePeriodRemaining"
)
SLMGR = r"C:\Windows\System32\slmgr.vbs"


def evaluation_minutes() -> str:
    """The minutes that are left, or `unknown`."""
    shell = ("powershell.exe", "-NoProfile", "-NonInteractive", "-Command", QUERY)
    told = _output(*shell).strip()
    return told if told.isdecimal() else "unknown"


def licence() -> str:
    """What `slmgr /xpr` says, in one line."""
    return " ".join(_output("cscript.exe", "//nologo", SLMGR, "/xpr").split()) or "unknown"


def _output(*command: str) -> str:
    try:
        ended = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            errors="replace",
            timeout=300,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return ended.stdout
