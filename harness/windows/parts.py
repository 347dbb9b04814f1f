"""The files that a machine writes to, all in one folder: disk, firmware's variables, TPM."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from .machine import Firmware


@dataclass(frozen=True, slots=True)
class Parts:
    """Those in a folder, which an image has as well; there nobody writes to them."""

    folder: Path

    @property
    def disk(self) -> Path:
        """The disk, qcow2."""
        return self.folder / "disk.qcow2"

    @property
    def variables(self) -> Path:
        """The firmware's variables."""
        return self.folder / "variables.fd"

    @property
    def tpm(self) -> Path:
        """The folder of the TPM's state; made at the first start of a machine that has a TPM."""
        return self.folder / "tpm"

    def copy(self, folder: Path) -> Parts:
        """The same once more, in a folder that exists."""
        return self._others(folder, ["cp", "--reflink=auto", "--sparse=always", str(self.disk)])

    def layer(self, folder: Path) -> Parts:
        """The same once more, in a new folder; on the disk is what changes, and nothing else."""
        folder.mkdir()
        create = ["qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b"]
        return self._others(folder, [*create, str(self.disk)])

    def move(self, folder: Path) -> None:
        """Have them in another folder, which exists; this one goes."""
        for path in self.folder.iterdir():
            path.rename(folder / path.name)
        self.folder.rmdir()

    def _others(self, folder: Path, copying_disk: list[str]) -> Parts:
        others = Parts(folder)
        command = [*copying_disk, str(others.disk)]
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
        shutil.copy(self.variables, others.variables)
        if self.tpm.is_dir():
            shutil.copytree(self.tpm, others.tpm)
        return others


def new_parts(folder: Path, size_gb: int, firmware: Firmware) -> Parts:
    """An empty disk, and variables as the firmware has them at first."""
    parts = Parts(folder)
    new_disk(parts.disk, size_gb)
    shutil.copy(firmware.variables, parts.variables)
    return parts


def new_disk(disk: Path, size_gb: int) -> None:
    """Make an empty disk."""
    command = ["qemu-img", "create", "-q", "-f", "qcow2", str(disk), f"{size_gb}G"]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
