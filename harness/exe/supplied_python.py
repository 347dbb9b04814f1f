"""An archive of python.org's that the user gives, laid out as an installation is.

Two forms are known: the embeddable zip, whose standard library is a zip of compiled files, and the
NuGet package, which has a whole Python in its folder `tools`.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import struct
import zipfile
from pathlib import Path

from .errors import BuildError
from .signatures import OF_MICROSOFT

OLDEST = (3, 11)
"""What vsocks needs."""
BITS = {0x8664: 64, 0x14C: 32}
"""By IMAGE_FILE_HEADER.Machine."""
FIXED_FILE_INFO = struct.pack("<I", 0xFEEF04BD)
"""What VS_FIXEDFILEINFO begins with."""


class PythonFileError(BuildError):
    """The file is no Python for Windows that the program can be built on."""


def sha256_of(file: Path) -> str:
    """Raises PythonFileError if it can't be read."""
    try:
        return hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError as error:
        raise PythonFileError(f"{file}: {error.strerror}") from None


def lay_out(file: Path, folder: Path) -> None:
    """Unpack it: python.exe, Lib, DLLs. Raises PythonFileError."""
    try:
        with zipfile.ZipFile(file) as archive:
            archive.extractall(folder / "all")
    except zipfile.BadZipFile:
        raise PythonFileError(
            f"{file} is neither python.org's embeddable zip nor its NuGet package"
        ) from None
    everything = folder / "all"
    whole = everything / "tools" if (everything / "tools").is_dir() else everything
    if not (whole / "python.exe").is_file():
        raise PythonFileError(f"{file} has no python.exe, and none in a folder tools")
    for path in list(whole.iterdir()):
        path.rename(folder / path.name)
    shutil.rmtree(everything)
    version_and_bits(folder)
    if not (folder / "Lib").is_dir():
        _lay_out_embeddable(file, folder)


def version_and_bits(folder: Path) -> tuple[str, int]:
    """As 3.12.9 and 64. Raises PythonFileError if the program can't be built on it."""
    library = next(
        (path for path in folder.iterdir() if re.fullmatch(r"python3\d+\.dll", path.name)), None
    )
    if not library:
        raise PythonFileError("there is no library python3….dll in it")
    content = library.read_bytes()
    (header,) = struct.unpack_from("<I", content, 0x3C)
    (machine,) = struct.unpack_from("<H", content, header + 4)
    if machine not in BITS:
        raise PythonFileError(
            f"{library.name} is for a machine of the kind {machine:#x}: "
            "take a Python for amd64 or win32 (Windows on ARM64 runs the former)"
        )
    found = content.find(FIXED_FILE_INFO)
    if found < 0:
        raise PythonFileError(f"{library.name} doesn't say its version")
    minor, major, _, micro = struct.unpack_from("<HHHH", content, found + 8)
    if (major, minor) < OLDEST:
        raise PythonFileError(f"it is Python {major}.{minor}; 3.11 or newer is needed")
    # Python's release stands there as micro * 1000 + level * 10 + serial.
    return f"{major}.{minor}.{micro // 1000}", BITS[machine]


def _lay_out_embeddable(file: Path, folder: Path) -> None:
    library = next(folder.glob("python3*.zip"), None)
    if not library:
        raise PythonFileError(f"{file} has no standard library: no folder Lib and no python3….zip")
    with zipfile.ZipFile(library) as archive:
        archive.extractall(folder / "Lib")
    library.unlink()
    for path in folder.glob("*._pth"):  # which has Python look nowhere else
        path.unlink()
    (folder / "DLLs").mkdir()
    for path in [*folder.glob("*.pyd"), *folder.glob("*.dll"), *folder.glob("*.cat")]:
        if path.name not in OF_MICROSOFT and not re.fullmatch(r"python3\d*\.dll", path.name):
            path.rename(folder / "DLLs" / path.name)
