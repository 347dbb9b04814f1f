"""The machine that the Debian guest runs in, whose kernel QEMU boots itself."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from .board import PC, Board
from .spec import (
    DISK,
    NO_NETWORK,
    Accel,
    Port,
    Start,
    Wiring,
    agent_port,
    bare,
    control,
    management_network,
    ports_on,
    qcow2,
)

KERNEL_UP = r"^vm: kernel up"
USER_SPACE_UP = r"^vm: user space up"
READY = r"Server listening on 0\.0\.0\.0 port 22"
BROKEN = (r"Kernel panic", r"\bOops\b", r"\bBUG:", r"vm: failed", r"Attempted to kill init")
"""On the console of a Debian guest that will not come up any more."""


@dataclass(frozen=True, slots=True)
class VMSpec:
    """A machine that boots the Debian guest. `disk` is a qcow2 file that it may write to."""

    kernel: Path
    initrd: Path
    accel: Accel
    disk: Path | None = None
    memory_mb: int = 1024
    cpus: int = 1
    ports: tuple[Port, ...] = (Port(),)
    card: bool = True
    """Whether there is a network card, for SSH; else the guest agent has a port."""
    board: Board = PC
    snapshot: str = ""
    """Start from this snapshot in the disk instead of booting."""

    @property
    def tpm(self) -> None:
        """It has none."""

    @property
    def ready(self) -> str:
        """What sshd says."""
        return READY

    @property
    def broken(self) -> tuple[str, ...]:
        """What a kernel or the boot script says at its end."""
        return BROKEN

    def argv(self, wiring: Wiring) -> list[str]:
        """QEMU's command line; calls nothing and looks at nothing but its arguments."""
        is_first = wiring.start is Start.DESCRIBED
        board = self.board
        return [
            *(*bare(wiring, board), *board.more),
            *(board.emulated if self.accel is Accel.TCG else ()),
            *("-accel", self.accel.value, "-cpu", self.accel.cpu),
            *("-smp", str(self.cpus), "-m", str(self.memory_mb)),
            *("-kernel", str(self.kernel), "-initrd", str(self.initrd)),
            *("-append", "console=ttyS0 quiet panic=-1"),
            *control(wiring),
            *self._disk(),
            *(management_network(f"virtio-net-{board.bus}") if self.card else NO_NETWORK),
            *ports_on(board, self.ports, wiring),
            *(() if self.card else agent_port(wiring, board.controller)),
            *(("-loadvm", self.snapshot) if self.snapshot and is_first else ()),
        ]

    def _disk(self) -> list[str]:
        if self.disk is None:
            return []
        return [*qcow2(self.disk), "-device", f"virtio-blk-{self.board.bus},drive={DISK}"]
