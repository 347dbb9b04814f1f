"""The machine that Windows runs in, and the command line that says so to QEMU.

Windows brings drivers for all of it (AHCI, e1000e, VGA, PS/2, COM port) but the virtio-serial port,
so that Setup needs none from an answer file.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Literal

from ..board import Board
from ..spec import (
    DISK,
    Accel,
    Port,
    Wiring,
    agent_port,
    bare,
    control,
    management_network,
    pflash,
    qcow2,
    serial_ports,
)

OVMF = Path("/usr/share/OVMF")
"""Where Debian's package `ovmf` has the firmware."""


class Firmware(Enum):
    """OVMF: its code, and what its variables are at first; a machine writes to a copy of these."""

    BIOS = ("", "OVMF_VARS_4M.fd")
    """QEMU's own, for a disk that was made so; nobody looks at the variables."""
    PLAIN = ("OVMF_CODE_4M.fd", "OVMF_VARS_4M.fd")
    SECURE = ("OVMF_CODE_4M.secboot.fd", "OVMF_VARS_4M.ms.fd")
    """With Microsoft's keys, and Secure Boot on: it starts what they have signed."""

    @property
    def code(self) -> Path:
        """What runs."""
        return OVMF / self.value[0]

    @property
    def variables(self) -> Path:
        """To be copied."""
        return OVMF / self.value[1]


FIRMWARE, VARIABLES = Firmware.PLAIN.code, Firmware.PLAIN.variables

SAYS = "vsocks:"
"""How our programs in the guest begin a line. The firmware may have left something before it."""
READY = rf"{SAYS} ready"
NOTHING_TO_BOOT = r"BdsDxe: (starting Boot\d+ .*(UiApp|EFI Internal Shell)|No bootable option)"
"""The firmware shows its own menu or shell: what it should have booted could not be."""
BROKEN = (rf"{SAYS} failed", NOTHING_TO_BOOT)

DiskBus = Literal["ahci", "virtio", "scsi"]
DISK_DEVICES: dict[DiskBus, tuple[str, ...]] = {
    "ahci": ("-device", f"ide-hd,drive={DISK},bus=ide.0"),
    "virtio": ("-device", f"virtio-blk-pci,drive={DISK}"),
    "scsi": ("-device", "virtio-scsi-pci,id=scsi", "-device", f"scsi-hd,drive={DISK},bus=scsi.0"),
}
"""Windows has a driver for the first alone; the others are for one that was installed on them."""

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
    """A machine with firmware. `disk` (qcow2), `variables` and `tpm` are written to."""

    disk: Path
    variables: Path
    accel: Accel
    memory_mb: int = 4096
    cpus: int = 2
    cdroms: tuple[Path, ...] = ()
    ports: tuple[Port, ...] = (Port(),)
    to_the_internet: bool = False
    """Only for building, only to activate an evaluation with Microsoft's servers."""
    firmware: Firmware = Firmware.PLAIN
    """`variables` must have come from the same."""
    disk_bus: DiskBus = "ahci"
    agent: bool = False
    """Whether there is a port for qemu-guest-agent."""
    tpm: Path | None = None
    """The folder with the state of a TPM 2.0, made by swtpm; None for a machine without one."""

    @property
    def board(self) -> Board:
        """Without SMM where nothing needs it."""
        return Board(f"q35,smm={'on' if self._secure else 'off'}")

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
            *bare(wiring, self.board),
            *("-accel", self.accel.value, "-cpu", self._cpu()),
            *("-smp", f"{self.cpus},sockets=1", "-m", str(self.memory_mb)),
            *("-rtc", "base=utc"),
            *self._firmware(),
            *(_tpm_device(wiring) if self.tpm else ()),
            *control(wiring),
            *self._disks(),
            *self._network(),
            *serial_ports(self.ports, wiring),
            *(agent_port(wiring, "virtio-serial-pci") if self.agent else ()),
        ]

    def _cpu(self) -> str:
        return ",".join(["host", *HYPER_V]) if self.accel is Accel.KVM else "max"

    @property
    def _secure(self) -> bool:
        return self.firmware is Firmware.SECURE

    def _firmware(self) -> list[str]:
        if self.firmware is Firmware.BIOS:
            return []
        return [
            *pflash(self.firmware.code, self.variables),
            # Variables can be written in SMM alone: else a guest could switch Secure Boot off.
            *(("-global", "driver=cfi.pflash01,property=secure,value=on") if self._secure else ()),
        ]

    def _disks(self) -> list[str]:
        # The disk first: empty, it is passed over, and later the discs are not asked for a key.
        arguments = [*qcow2(self.disk, "discard=unmap"), *DISK_DEVICES[self.disk_bus]]
        arguments[-1] += ",bootindex=0"
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


def _tpm_device(wiring: Wiring) -> list[str]:
    return [
        *("-chardev", f"socket,id=tpmc,fd={wiring.tpm_fd}"),
        *("-tpmdev", "emulator,id=tpm0,chardev=tpmc", "-device", "tpm-crb,tpmdev=tpm0"),
    ]
