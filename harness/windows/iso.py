"""The provisioning disc: everything that goes into the guest, with checksums.

The guest has no network while it is built, so all it needs is on this disc. Windows Setup finds the
answer file in its root; the rest is in `/vsocks`, flat, where first-logon.cmd checks every file
against SHA256SUMS before it uses any.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from .profile import RECIPE, Profile

FOLDER = "vsocks"
MANIFEST = "SHA256SUMS"
LABEL = "VSOCKS"
DRIVER_FILES = ("vioser.inf", "vioser.cat", "vioser.sys")
INSIDE = Path(__file__).parent / "inside"
SAME_TIME = (1980, 1, 1, 0, 0, 0)
"""Of all files in archives: the same content gives the same archive."""


class DiscError(Exception):
    """A file for the disc is missing, or the disc is not what it was to be."""


@dataclass(frozen=True, slots=True)
class Contents:
    """What goes on the disc, as files of the host."""

    profile: Profile
    answer: bytes
    """Empty for a Windows that is installed already."""
    python: Path
    """A folder with python.exe: CPython for Windows."""
    driver: Path | None
    """A folder with the files of the vioserial driver; None if the guest has it."""
    public_key: str
    openssh: Path | None
    """The Win32-OpenSSH zip; None if the system brings its own server."""
    activate: bool = False
    account: str = ""
    """Of whom the key opens the account, besides the administrators'."""


def write_disc(contents: Contents, iso: Path) -> None:
    """Make the ISO, and check it by reading it back."""
    with tempfile.TemporaryDirectory(prefix="vsocks-disc-") as name:
        root = Path(name)
        _fill(contents, root)
        command = ["xorriso", "-as", "mkisofs", "-quiet", "-V", LABEL, "-joliet", "-joliet-long"]
        _run([*command, "-o", str(iso), str(root)])
    check_disc(iso, answer=bool(contents.answer))


def _fill(contents: Contents, root: Path) -> None:
    folder = root / FOLDER
    folder.mkdir()
    if contents.answer:
        (root / "autounattend.xml").write_bytes(contents.answer)
    shutil.copy(RECIPE / "guest" / "first-logon.cmd", folder)
    shutil.copy(RECIPE / "guest" / "boot.cmd", folder)
    (folder / "authorized_keys").write_text(contents.public_key.strip() + "\n")
    settings = {
        "openssh": contents.profile.openssh,
        "activate": contents.activate,
        "driver": contents.driver is not None,
        "account": contents.account,
    }
    (folder / "settings.json").write_text(json.dumps(settings))
    if contents.driver:
        for file in DRIVER_FILES:
            shutil.copy(contents.driver / file, folder)
    pack(contents.python, folder / "python.zip", ".")
    pack(INSIDE, folder / "inside.zip", "inside", ("*.py",))
    if contents.openssh:
        shutil.copy(contents.openssh, folder / "openssh.zip")
    elif contents.profile.openssh == "zip":
        raise DiscError(f"{contents.profile.title} has no SSH server: OPENSSH_ZIP is needed")
    (folder / MANIFEST).write_text(manifest(folder))


def pack(folder: Path, archive: Path, prefix: str, patterns: Iterable[str] = ("*",)) -> None:
    """A zip of the files below a folder, under `prefix` in the archive."""
    files = {it for pattern in patterns for it in folder.rglob(pattern) if it.is_file()}
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as zipped:
        for path in sorted(files):
            name = os.path.normpath(Path(prefix) / path.relative_to(folder))
            if "__pycache__" not in Path(name).parts:
                entry = zipfile.ZipInfo(name, SAME_TIME)
                entry.compress_type = zipfile.ZIP_DEFLATED
                zipped.writestr(entry, path.read_bytes())


def manifest(folder: Path) -> str:
    """The checksums of all files in a folder, as sha256sum writes them."""
    files = sorted(path for path in folder.iterdir() if path.name != MANIFEST)
    return "".join(f"{sha256(path)}  {path.name}\n" for path in files)


def sha256(path: Path) -> str:
    """The checksum of a file of any size."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_disc(iso: Path, *, answer: bool = True) -> None:
    """Read the disc as Windows does (Joliet) and check that every file is there and whole."""
    with tempfile.TemporaryDirectory(prefix="vsocks-disc-") as name:
        root = Path(name) / "root"
        extract(iso, "/", root, joliet=True)
        folder = root / FOLDER
        if answer and not (root / "autounattend.xml").is_file():
            raise DiscError(f"{iso} has no autounattend.xml in its root")
        told, found = (folder / MANIFEST).read_text(), manifest(folder)
        if told != found:
            raise DiscError(f"{iso}: its manifest says\n{told}but it holds\n{found}")


def extract(iso: Path, inside: str, target: Path, *, joliet: bool = False) -> None:
    """Copy a file or a folder out of an ISO, which needs no mounting and no root."""
    # norock: without the names that only Unix sees; what is left is what Windows sees.
    reading = ["-read_fs", "norock"] if joliet else []
    load = ["xorriso", *reading, "-osirrox", "on:auto_chmod_on", "-indev", str(iso)]
    _run([*load, "-extract", inside, str(target)])


def driver_folder(virtio_win: Path, profile: Profile, target: Path) -> Path:
    """The vioserial driver of one Windows, out of the virtio-win ISO."""
    inside = f"/vioserial/{profile.driver}/amd64"
    extract(virtio_win, inside, target)
    missing = [name for name in DRIVER_FILES if not (target / name).is_file()]
    if missing:
        raise DiscError(f"{virtio_win}: no {', '.join(missing)} in {inside}")
    return target


def volume_label(iso: Path) -> str:
    """The name that an ISO gives itself; it tells one Windows from another, more or less."""
    with iso.open("rb") as file:
        file.seek(16 * 2048)
        descriptor = file.read(2048)
    if descriptor[1:6] != b"CD001":
        raise DiscError(f"{iso} is no ISO image")
    return descriptor[40:72].decode("ascii", "replace").strip()


def _run(command: list[str]) -> None:
    ended = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if ended.returncode:
        raise DiscError(f"{' '.join(command)} ended with {ended.returncode}:\n{ended.stderr}")
