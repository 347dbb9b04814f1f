"""The machine that Windows runs in, and the command line that says so to QEMU.

Windows brings drivers for all of it (AHCI, e1000e, VGA, PS/2, COM port) but the virtio-serial port,
so that Setup needs none from an answer file.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..board import Board
from ..spec import (
    DISK,
    QEMU,
    Accel,
    Port,
    Wiring,
    control,
    management_network,
    serial_ports,
)

BOARD = Board("q35,smm=off")
FIRMWARE = Path("/usr/share/OVMF/OVMF_CODE_4M.fd")
VARIABLES = Path("/usr/share/OVMF/OVMF_VARS_4M.fd")
"""OVMF without Secure Boot (package `ovmf`). A machine writes to its own copy of the variables."""

SAYS = "vsocks:"
"""How our programs in the guest begin a line. The firmware may have left something before it."""
READY = rf"{SAYS} ready"
NOTHING_TO_BOOT = r"BdsDxe: (starting Boot\d+ .*(UiApp|EFI Internal Shell)|No bootable option)"
"""The firmware shows its own menu or shell: what it should have booted could not be."""
BROKEN = (rf"{SAYS} failed", NOTHING_TO_BOOT)

HYPER_V = (
    # One by one: hv-passthrough takes what the host has, and no snapshot can be made of that.
    "hv-relaxed",
    "hv-vapic",
    "hv-spinlocks=0x1fff",
    "hv-vpindex",
    "hv-runtime",
    "hv-synic",
    "hv-time",
    "hv-stimer",
    "hv-frequencies",
    "hv-tlbflush",
    "hv-ipi",
    # A blue screen becomes an event of QEMU.
    "hv-crash",
)


@dataclass(frozen=True, slots=True)
class WindowsSpec:
    """A machine with firmware. `disk` (qcow2) and `variables` are written to."""

    disk: Path
    variables: Path
    accel: Accel
    memory_mb: int = 4096
    cpus: int = 2
    cdroms: tuple[Path, ...] = ()
    ports: tuple[Port, ...] = (Port(),)
    to_the_internet: bool = False
    """Only for building, only to activate an evaluation with Microsoft's servers."""

    @property
    def board(self) -> Board:
        """The same for all."""
        return BOARD

    @property
    def ready(self) -> str:
        """What inside/boot.py says."""
        return READY

    @property
    def broken(self) -> tuple[str, ...]:
        """What our programs in the guest say of failures, and what the firmware does."""
        return BROKEN

    def argv(self, wiring: Wiring) -> list[str]:
        """QEMU's command line; calls nothing and looks at nothing but its arguments."""
        return [
            QEMU,
            *("-nodefaults", "-no-user-config", "-display", "none", "-vga", BOARD.screen),
            *("-machine", BOARD.model, "-accel", self.accel.value, "-cpu", self._cpu()),
            *("-smp", f"{self.cpus},sockets=1", "-m", str(self.memory_mb)),
            *("-rtc", "base=utc"),
            *self._firmware(),
            *control(wiring),
            *self._disks(),
            *self._network(),
            *serial_ports(self.ports, wiring),
        ]

    def _cpu(self) -> str:
        return ",".join(["host", *HYPER_V]) if self.accel is Accel.KVM else "max"

    def _firmware(self) -> list[str]:
        code = f"driver=file,node-name=code,filename={FIRMWARE},read-only=on"
        variables = f"driver=file,node-name=variables,filename={self.variables}"
        return [
            *("-blockdev", code, "-blockdev", variables),
            *("-machine", "pflash0=code,pflash1=variables"),
        ]

    def _disks(self) -> list[str]:
        # The disk first: empty, it is passed over, and later the discs are not asked for a key.
        file = f"file.driver=file,file.filename={self.disk},cache.no-flush=on"
        arguments = [
            *("-blockdev", f"driver=qcow2,node-name={DISK},discard=unmap,{file}"),
            *("-device", f"ide-hd,drive={DISK},bus=ide.0,bootindex=0"),
        ]
        for number, iso in enumerate(self.cdroms, 1):
            node = f"driver=file,node-name=disc{number},filename={iso},read-only=on"
            boot = ",bootindex=1" if number == 1 else ""
            arguments += ["-blockdev", node]
            arguments += ["-device", f"ide-cd,drive=disc{number},bus=ide.{number}{boot}"]
        return arguments

    def _network(self) -> list[str]:
        network = management_network("e1000e")
        if self.to_the_internet:
            network[1] = network[1].replace("restrict=on,", "")
        return network
