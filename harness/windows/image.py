"""The Windows images in the cache: finding one, opening it, a throw-away layer over it."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from ..cache import cache_folder
from ..progress import say
from ..spec import Accel
from ..ssh import Access
from .machine import Firmware, WindowsSpec
from .parts import Parts
from .record import Record, check_expiry, read

IMAGES = "images"
PREFIX = "windows-"
FINISHED = re.compile(rf"{PREFIX}[a-z0-9-]+-[0-9a-f]{{12}}")
"""The name of an image's folder; while it is being built, there is more behind it."""
VARIABLE = "VSOCKS_WINDOWS_IMAGE"


class ImageError(Exception):
    """There is no usable image, or none can be built; the message says why."""


@dataclass(frozen=True, slots=True)
class WindowsImage:
    """A finished image. Its files are never written to."""

    folder: Path
    record: Record

    @property
    def parts(self) -> Parts:
        """Disk, variables and TPM as the installation left them."""
        return Parts(self.folder)

    @property
    def key(self) -> Path:
        """The private ed25519 key that opens the administrator's account."""
        return self.folder / "id_ed25519"

    def access(self, port: int) -> Access:
        """How to get into a machine of it whose SSH is at this port of our 127.0.0.1."""
        return Access(port, self.record.account, self.key, self.record.host_key)

    def spec(self, accel: Accel, parts: Parts) -> WindowsSpec:
        """The machine for it, with parts that may be written to."""
        record = self.record
        firmware = Firmware[record.firmware]
        spec = windows_spec(parts, accel, record.memory_mb, record.cpus, firmware)
        return replace(spec, disk_bus=record.disk_bus)


def windows_spec(
    parts: Parts, accel: Accel, memory_mb: int, cpus: int, firmware: Firmware
) -> WindowsSpec:
    """A machine of these parts; one with Secure Boot has a TPM, too."""
    return WindowsSpec(
        parts.disk,
        parts.variables,
        accel,
        memory_mb,
        cpus,
        firmware=firmware,
        tpm=parts.tpm if firmware is Firmware.SECURE else None,
    )


def find_image(environment: Mapping[str, str] = os.environ) -> WindowsImage | None:
    """$VSOCKS_WINDOWS_IMAGE, else the newest image in the cache, else None.

    What the variable names must be usable; a broken or expired one in the cache is passed over,
    with a word about it.
    """
    if named := environment.get(VARIABLE):
        try:
            return open_image(Path(named).resolve())
        except Exception as error:
            raise ImageError(f"{VARIABLE}={named}: {error}") from error
    found = []
    for folder in sorted((cache_folder() / IMAGES).glob(f"{PREFIX}*/")):
        if not FINISHED.fullmatch(folder.name):
            continue
        try:
            found.append(open_image(folder))
        except Exception as error:
            say(f"not used: {folder.name}: {error}")
    return max(found, key=lambda image: image.record.built, default=None)


def open_image(folder: Path) -> WindowsImage:
    """An image whose files are all there and whose evaluation is not over."""
    if not folder.is_dir():
        raise ImageError(f"{folder} is no folder")
    image = WindowsImage(folder, read(folder))
    for path in (image.parts.disk, image.parts.variables, image.key):
        if not path.is_file():
            raise ImageError(f"{path} is missing")
    check_expiry(image.record)
    return image
