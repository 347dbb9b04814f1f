"""Disks with an installed Windows, in the forms in which they are passed on."""

from __future__ import annotations

import json
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import Any

from .image import ImageError
from .machine import Firmware

FORMATS = {".qcow2": "qcow2", ".vhdx": "vhdx"}
GPT = b"EFI PART"
"""How the second sector of a disk begins whose first partition is, on Windows, EFI's."""


def convert_box(box: Path, disk: Path) -> None:
    """Make a qcow2 of our own of a .qcow2, a .vhdx, or the one in a .box of Vagrant's.

    Raises ImageError if it is none of these, or needs other files.
    """
    if box.suffix == ".box":
        with tempfile.TemporaryDirectory(dir=disk.parent) as folder:
            convert_box(_disk_in(box, Path(folder)), disk)
        return
    form = FORMATS.get(box.suffix)
    if not form:
        raise ImageError(f"{box}: a box is a .qcow2, a .vhdx, or a .box of Vagrant's")
    _check(box, form)
    _qemu_img("convert", "-f", form, "-O", "qcow2", str(box), str(disk))


def firmware_of(disk: Path) -> Firmware:
    """That with which a Windows on this qcow2 was installed: BIOS can't boot it from a GPT."""
    with tempfile.TemporaryDirectory() as folder:
        start = Path(folder) / "start"
        size = ("bs=512", "count=2")
        _qemu_img("dd", "-f", "qcow2", "-O", "raw", *size, f"if={disk}", f"of={start}")
        return Firmware.PLAIN if start.read_bytes()[512:].startswith(GPT) else Firmware.BIOS


def _disk_in(box: Path, folder: Path) -> Path:
    """The disk in a .box (libvirt's box.img, Hyper-V's .vhdx), unpacked into a folder."""
    try:
        with tarfile.open(box) as tar:
            names = [member.name for member in tar if member.isfile()]
            disks = [it for it in names if Path(it).name == "box.img" or it.endswith(".vhdx")]
            if len(disks) != 1:
                raise ImageError(
                    f"{box} is for another provider than libvirt or Hyper-V, or has several "
                    f"disks: {', '.join(names)}"
                )
            [name] = disks
            # libvirt's is a qcow2; so says its metadata.json, of all that are made now.
            unpacked = folder / ("disk.vhdx" if name.endswith(".vhdx") else "disk.qcow2")
            source = tar.extractfile(name)
            assert source
            with source, unpacked.open("wb") as target:
                shutil.copyfileobj(source, target)
            return unpacked
    except tarfile.TarError as error:
        raise ImageError(f"{box} is no box of Vagrant's: {error}") from None


def _check(disk: Path, form: str) -> None:
    """Nobody knows what other files of this machine a disk of strangers would have us read."""
    about: dict[str, Any] = json.loads(
        _qemu_img("info", "-f", form, "--output=json", str(disk)).stdout
    )
    specific = about.get("format-specific", {}).get("data", {})
    if "backing-filename" in about or "data-file" in specific:
        raise ImageError(f"{disk} needs another file; `qemu-img convert` makes one of both")


def _qemu_img(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["qemu-img", *arguments]
    ended = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if ended.returncode:
        raise ImageError(f"{' '.join(command)}: {ended.stderr.strip()}")
    return ended
