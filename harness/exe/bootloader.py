"""PyInstaller's bootloader, built from its source.

Virus scanners know the stock one, for much malware starts by it, too. The source is the archive of
the version that build-packages.txt names.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from ..cache import cache_folder, made
from ..captured import captured
from ..progress import step
from .errors import BuildError
from .pypi import source

ARCHIVE = "pyinstaller==6.22.3"
ARCHIVE_SHA256 = "05eb2f5615503e72939a7224d68b4aff572c6b0438ee4a17d0a4b481f399362d"
COMPILERS = {64: "x86_64-w64-mingw32", 32: "i686-w64-mingw32"}
PACKAGES = {64: "gcc-mingw-w64-x86-64", 32: "gcc-mingw-w64-i686"}
OURS = Path(__file__).with_name("temporary_name.h")
EPOCH = "1750000000"
"""The linker writes it where it would write the time of the build."""
BUILD_SECONDS = 1800


class BootloaderError(BuildError):
    """The compiler is missing or failed; the message says which, or the end of what it printed."""


def place(bits: int) -> Path:
    """Where PyInstaller looks for it."""
    return Path("PyInstaller", "bootloader", f"Windows-{bits}bit-intel")


def bootloader(bits: int) -> Path:
    """run.exe, for programs with a console; built when first asked for."""
    key = hashlib.sha256(f"{ARCHIVE_SHA256} {bits} {_compiler(bits)}".encode())
    for path in (Path(__file__), OURS):
        key.update(path.read_bytes())
    folder = cache_folder() / f"bootloader-{key.hexdigest()[:16]}"
    return made(folder, lambda made_here: _build(made_here, bits)) / "run.exe"


def _build(folder: Path, bits: int) -> None:
    with (
        step("building PyInstaller's bootloader"),
        source(ARCHIVE, ARCHIVE_SHA256) as unpacked,
    ):
        shutil.rmtree(unpacked / place(bits))
        tools = {"CC": "gcc", "AR": "ar", "WINDRES": "windres"}
        captured(
            [
                *(sys.executable, "waf", "--gcc", f"--target-arch={bits}bit"),
                *("configure", "build_release", "install_release"),
            ],
            BootloaderError,
            name="waf",
            cwd=unpacked / "bootloader",
            env={
                **os.environ,
                **{name: f"{COMPILERS[bits]}-{tool}" for name, tool in tools.items()},
                "CFLAGS": f"-include {OURS}",
                "PYI_STATIC_ZLIB": "1",  # its own, whatever lies beside the compiler
                "SOURCE_DATE_EPOCH": EPOCH,
            },
            timeout=BUILD_SECONDS,
        )
        shutil.copyfile(unpacked / place(bits) / "run.exe", folder / "run.exe")


def _compiler(bits: int) -> str:
    """Its version, since another one makes other bytes."""
    command = [f"{COMPILERS[bits]}-gcc", "-dumpfullversion"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except FileNotFoundError:
        raise BootloaderError(
            f"there is no {command[0]}, which the {bits}-bit program needs: "
            f"apt-get install {PACKAGES[bits]}"
        ) from None
