"""Which program holds the port when it can't be opened."""

from __future__ import annotations

import sys

assert sys.platform == "win32"

import ctypes
import os
from typing import Final

from vsocks.windows.manager import running_service

#: Services that are known to open such ports: ours, and the SPICE agent under both its names.
_HOLDERS: Final = ("vsocks-guest", "spice-agent", "vdservice")


def why_denied() -> str:
    """What ERROR_ACCESS_DENIED means for a port, and what to do about it.

    The driver lets SYSTEM and Administrators in, and one of them at a time (vioserial/sys/Port.c,
    VIOSerialDeviceListCreatePdo).
    """
    if not _is_administrator():
        return "administrator rights are needed; run this as administrator, or as the service"
    for name in _HOLDERS:
        number = running_service(name)
        if number == os.getpid():
            # It can't end while a write of its pends, which the driver can't cancel.
            return (
                "maybe an earlier process of this service is still ending, which may take minutes; "
                "it is tried again"
            )
        if number:
            return f"the service {name} (process {number}) has it open; stop that first"
    return "another program has it open; stop that first"


def _is_administrator() -> bool:
    return bool(ctypes.windll.shell32.IsUserAnAdmin())
