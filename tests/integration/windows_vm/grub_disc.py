"""A bootable disc that says what an installation would say: GRUB with a script in it.

The firmware finds it, starts it and gives it the keyboard and the serial port as it would Windows.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

MODULES = ("echo", "minicmd", "read", "sleep", "halt", "test", "true")


def grub_program(script: str, folder: Path, modules: Sequence[str] = MODULES) -> Path:
    """GRUB as an EFI program that runs a script; what it echoes goes to the serial port, too."""
    config, program = folder / "grub.cfg", folder / "BOOTX64.EFI"
    config.write_text(script)
    command = ["grub-mkimage", "-O", "x86_64-efi", "-p", "/", "-c", str(config)]
    subprocess.run([*command, "-o", str(program), *modules], check=True)
    return program


def fat_image(program: Path, image: Path, megabytes: int = 4) -> Path:
    """A FAT file system with the program where firmware looks for it."""
    with image.open("wb") as file:
        file.truncate(megabytes << 20)
    subprocess.run(["mformat", "-i", str(image), "-v", "ESP", "::"], check=True)
    subprocess.run(["mmd", "-i", str(image), "::/EFI", "::/EFI/BOOT"], check=True)
    target = "::/EFI/BOOT/BOOTX64.EFI"
    subprocess.run(["mcopy", "-i", str(image), str(program), target], check=True)
    return image


def grub_disc(script: str, folder: Path) -> Path:
    """An ISO that the firmware boots into the script."""
    folder.mkdir(parents=True, exist_ok=True)
    root, iso = folder / "root", folder / "disc.iso"
    root.mkdir()
    fat_image(grub_program(script, folder), root / "efi.img")
    command = ["xorriso", "-as", "mkisofs", "-quiet", "-V", "REHEARSAL", "-o", str(iso)]
    subprocess.run([*command, "-e", "efi.img", "-no-emul-boot", str(root)], check=True)
    return iso
