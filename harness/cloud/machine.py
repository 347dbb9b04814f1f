"""The machine that an image with cloud-init runs in, and the command line that says so to QEMU."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..board import PC, Board
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
    ports_on,
    qcow2,
)
from ..windows.machine import SAYS
from .firmware import BIOS_FINDS_NOTHING, OVMF, UEFI_FINDS_NOTHING, Firmware

READY = rf"{SAYS} ready"
GRUB_ASKS = r"Minimal BASH-like line editing"
"""Above its prompt, if it finds no menu."""
BROKEN = (
    rf"{SAYS} failed",
    r"Kernel panic",
    GRUB_ASKS,
    BIOS_FINDS_NOTHING,
    UEFI_FINDS_NOTHING,
)
BIOS_SAYS = r"SeaBIOS \(version"
"""Its first words, under an accelerator that works."""
CONSOLE_OF_BIOS = b"\xf8\x03"
"""COM1, as a number of 16 bits: SeaBIOS speaks there if etc/sercon-port says so (SeaBIOS's
docs/Runtime_config.md), beside the screen."""


@dataclass(frozen=True, slots=True)
class Files:
    """What a machine is made of, by name in its folder. It writes to `disk` and `variables`."""

    folder: Path

    @property
    def disk(self) -> Path:
        """A layer over the image, qcow2."""
        return self.folder / "disk.qcow2"

    @property
    def variables(self) -> Path:
        """The variables of UEFI's firmware."""
        return self.folder / "variables.fd"

    @property
    def seed(self) -> Path:
        """The disc that tells cloud-init what to do."""
        return self.folder / "seed.iso"

    @property
    def console_of_bios(self) -> Path:
        """Has `CONSOLE_OF_BIOS` in it."""
        return self.folder / "console-of-bios"

    @property
    def key(self) -> Path:
        """The private ed25519 key that opens root's account."""
        return self.folder / "id_ed25519"

    @property
    def key_of_host(self) -> Path:
        """The private ed25519 key of the guest's sshd."""
        return self.folder / "host_key"


@dataclass(frozen=True, slots=True)
class CloudSpec:
    """A machine that boots a disk by firmware, with a seed for cloud-init beside it.

    The network card is for SSH alone. The guest agent has a port, if the image has one.
    """

    files: Files
    firmware: Firmware
    accel: Accel
    memory_mb: int = 1024
    cpus: int = 1
    ports: tuple[Port, ...] = (Port(),)
    board: Board = PC

    @property
    def tpm(self) -> None:
        """It has none."""

    @property
    def ready(self) -> str:
        """What the seed has cloud-init say at its end."""
        return READY

    @property
    def broken(self) -> tuple[str, ...]:
        """What the seed, a kernel or the firmware says of failures."""
        return BROKEN

    def argv(self, wiring: Wiring) -> list[str]:
        """QEMU's command line; calls nothing and looks at nothing but its arguments."""
        board = self.board
        return [
            *(*bare(wiring, board), *board.more),
            *("-accel", self.accel.value, "-cpu", self.accel.cpu),
            *("-smp", str(self.cpus), "-m", str(self.memory_mb)),
            *self._firmware(),
            *control(wiring),
            *self._disks(),
            *management_network(f"virtio-net-{board.bus}"),
            *ports_on(board, self.ports, wiring),
            *agent_port(wiring, board.controller),
        ]

    def _firmware(self) -> list[str]:
        if self.firmware is Firmware.UEFI:
            return pflash(OVMF.code, self.files.variables)
        return ["-fw_cfg", f"name=etc/sercon-port,file={self.files.console_of_bios}"]

    def _disks(self) -> list[str]:
        device = f"virtio-blk-{self.board.bus}"
        # No CD-ROM: kernels made for clouds have no driver for one.
        seed = f"file.driver=file,file.filename={self.files.seed}"
        return [
            *qcow2(self.files.disk),
            *("-device", f"{device},drive={DISK},bootindex=0"),
            *("-blockdev", f"driver=raw,node-name=seed,read-only=on,{seed}"),
            *("-device", f"{device},drive=seed"),
        ]


@dataclass(frozen=True, slots=True)
class BiosAlone:
    """A machine with no disk, to see whether an accelerator runs anything."""

    accel: Accel
    board: Board = PC
    ports: tuple[Port, ...] = ()
    tpm: None = None
    ready: str = BIOS_SAYS
    broken: tuple[str, ...] = ()

    def argv(self, wiring: Wiring) -> list[str]:
        """QEMU's command line. Without a screen SeaBIOS speaks on the serial line."""
        return [
            *(wiring.qemu, "-nodefaults", "-no-user-config", "-display", "none", "-vga", "none"),
            *("-machine", f"{self.board.model},graphics=off", "-m", "64"),
            *("-accel", self.accel.value, "-cpu", self.accel.cpu),
            *control(wiring),
        ]
