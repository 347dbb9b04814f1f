"""An image of somebody's, which is never written to, and the files of a machine over it."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from ..captured import captured
from ..image import ImageError
from .firmware import OVMF, Firmware
from .machine import CONSOLE_OF_BIOS, Files
from .seed import write_seed

SECTOR = 512
BOOT_SIGNATURE = b"\x55\xaa"
"""At the end of the first sector of each disk that has partitions, or boots by BIOS."""


@dataclass(frozen=True, slots=True)
class CloudImage:
    """A disk that boots by firmware, with cloud-init in it."""

    path: Path
    """Absolute."""
    form: str
    """As QEMU calls it."""

    @property
    def identity(self) -> str:
        """Another one if the file has changed."""
        status = self.path.stat()
        return f"{self.path} {status.st_size} {status.st_mtime_ns}"


def cloud_image(path: Path) -> CloudImage:
    """The image in a file, of any format that QEMU knows. Raises ImageError if it is none."""
    path = path.resolve()
    if not path.is_file():
        raise ImageError(f"{path}: there is no such file")
    told = subprocess.run(
        ["qemu-img", "info", "--output=json", path], capture_output=True, text=True, check=False
    )
    if told.returncode:
        raise ImageError(f"{path} can't be used: {told.stderr.strip()}")
    form = json.loads(told.stdout)["format"]
    if form == "raw" and not _is_disk(path):
        raise ImageError(
            f"{path} is no image of a disk: neither qcow2 or another format that `qemu-img info` "
            "knows, nor raw with a boot sector. A compressed one is to be unpacked first"
        )
    return CloudImage(path, form)


def _is_disk(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(SECTOR)[-len(BOOT_SIGNATURE) :] == BOOT_SIGNATURE


def lay_out(image: CloudImage, firmware: Firmware, folder: Path) -> Files:
    """Make, in an empty folder, all that a machine is made of. Raises ImageError."""
    files = Files(folder)
    create = ["qemu-img", "create", "-q", "-f", "qcow2", "-b", str(image.path)]
    captured([*create, "-F", image.form, files.disk], ImageError)
    if firmware is Firmware.UEFI:
        shutil.copy(OVMF.variables, files.variables)
    files.console_of_bios.write_bytes(CONSOLE_OF_BIOS)
    write_seed(files)
    return files


def copy_of(files: Files, folder: Path) -> Files:
    """The same files once more, to be written to; sparse, or shared where possible."""
    copy = ["cp", "--reflink=auto", "--sparse=always", "-r"]
    captured([*copy, f"{files.folder}/.", folder], ImageError)
    return Files(folder)
