"""vsocks-guest.exe, in two forms: one file, and a folder that starts faster.

Two builds of the same source are the same to the byte: PyInstaller takes its time stamps from
SOURCE_DATE_EPOCH and the order of sets from PYTHONHASHSEED.
"""

from __future__ import annotations

import hashlib
import shutil
from functools import cache
from pathlib import Path

from ..cache import cache_folder, made
from ..guest import python_files
from ..places import PROGRAM
from ..progress import step
from ..reproducible import source_epoch
from .bootloader import bootloader, place
from .icon import icon
from .pypi import packages
from .python import WindowsPython, programs_python
from .wine import wine

HERE = Path(__file__).parent
SPEC = HERE / "vsocks-guest.spec"
BUILD_PACKAGES = HERE / "build-packages.txt"
NAME = "vsocks-guest"
BUILD_SECONDS = 1800


def guest_folder() -> Path:
    """The one-folder form: vsocks-guest.exe and _internal/. Built when first asked for."""
    return _built() / NAME


def guest_exe() -> Path:
    """The one-file form. Built when first asked for."""
    return _built() / f"{NAME}.exe"


def build(folder: Path) -> None:
    """Build both forms into `folder`, from the source as it is."""
    environment, work, python = wine(), folder / "work", programs_python()
    source = work / "source"
    for name, content in python_files(PROGRAM).items():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes(content)
    (work / "icon.ico").write_bytes(icon())
    _lay_out_tools(work / "tools", python)
    path = environment.windows_path
    with step("building vsocks-guest.exe"):
        environment.run(
            python.folder / "python.exe",
            *("-m", "PyInstaller", "--noconfirm", "--log-level", "WARN"),
            *("--distpath", path(work / "dist"), "--workpath", path(work / "build")),
            path(SPEC),
            timeout=BUILD_SECONDS,
            extra={
                "PYTHONPATH": path(work / "tools"),
                "PYTHONDONTWRITEBYTECODE": "1",
                "PYTHONHASHSEED": "1",
                "PYINSTALLER_CONFIG_DIR": path(work / "config"),
                "SOURCE_DATE_EPOCH": str(source_epoch()),
                "VSOCKS_SOURCE": path(source),
                "VSOCKS_ICON": path(work / "icon.ico"),
                "VSOCKS_PYTHON": str(python),
            },
        )
    (work / "dist" / NAME).rename(folder / NAME)
    (work / "dist" / f"{NAME}-onefile.exe").rename(folder / f"{NAME}.exe")
    shutil.rmtree(work)


def _lay_out_tools(folder: Path, python: WindowsPython) -> None:
    """PyInstaller with a bootloader of our making, and with no other."""
    shutil.copytree(packages(BUILD_PACKAGES, python.minor), folder)
    ours = folder / place(python.bits)
    shutil.rmtree(ours.parent)
    ours.mkdir(parents=True)
    shutil.copyfile(bootloader(python.bits), ours / "run.exe")


@cache
def _built() -> Path:
    """One build for all of a process, even if the source changes meanwhile."""
    return made(cache_folder() / f"{NAME}-{_key()}", build)


def _key() -> str:
    """Changes with everything that goes into the program."""
    python = programs_python()
    digest = hashlib.sha256(f"{python} {python.folder.name} {source_epoch()}".encode())
    for name, content in python_files(PROGRAM).items():
        digest.update(f"{name} {hashlib.sha256(content).hexdigest()}\n".encode())
    for path in (SPEC, BUILD_PACKAGES, Path(__file__), HERE / "icon.py", bootloader(python.bits)):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]
