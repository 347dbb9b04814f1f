"""What boots a disk: SeaBIOS, which QEMU brings, or OVMF, from the package of that name."""

from __future__ import annotations

from enum import Enum

from ..programs import MissingProgramError
from ..windows.machine import NOTHING_TO_BOOT
from ..windows.machine import Firmware as Ovmf

OVMF = Ovmf.PLAIN
"""Without Secure Boot, which would start what Microsoft has signed alone."""
BIOS_FINDS_NOTHING = r"No bootable device"
UEFI_FINDS_NOTHING = NOTHING_TO_BOOT


class Firmware(Enum):
    """How a machine begins."""

    BIOS = "bios"
    UEFI = "uefi"


def need_ovmf() -> None:
    """Raise MissingProgramError unless OVMF is installed."""
    if missing := [path for path in (OVMF.code, OVMF.variables) if not path.is_file()]:
        raise MissingProgramError(
            f"UEFI isn't installed: there is no {', '.join(map(str, missing))}. "
            "On Debian or Ubuntu: apt-get install ovmf"
        )
