"""What is on the disc, and the disc. Two of one commit are the same to the byte."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from ..exe.shipped import file_form
from ..msi import write_msi
from ..places import PROGRAM
from ..pyz import write_pyz
from ..reproducible import source_epoch
from ..signing import Signer
from ..windows.iso import MANIFEST, manifest

NAME = "vsocks-guest.iso"
LABEL = "VSOCKS_GUEST"
MSI = "vsocks-guest.msi"
"""Of whatever version: who deploys from the disc need not look it up."""
FILES = Path(__file__).parent / "files"
DATA = PROGRAM / "data"
FOR_LINUX = ("vsocks-guest.service", "*.rules")
"""What a Linux guest's system needs to start the daemon and to open the port."""
FOR_NOTEPAD = {".txt", ".cmd"}
NOTHING_MORE: Mapping[str, bytes] = {}


class DiscError(Exception):
    """The disc can't be made; the message holds what xorriso said."""


def write_guest_iso(
    iso: Path,
    *,
    windows: bool = True,
    signer: Signer | None = None,
    label: str = LABEL,
    more: Mapping[str, bytes] = NOTHING_MORE,
) -> None:
    """Make the disc, called ``label`` and with ``more`` files (name to content) on it.

    Without `windows` it is for Linux guests alone, and takes no build. What Windows runs is signed
    if there is a `signer`.
    """
    with tempfile.TemporaryDirectory(prefix="vsocks-disc-") as name:
        root = Path(name)
        files = {**contents(windows=windows, signer=signer), **more}
        for path, content in files.items():
            (root / path).write_bytes(content)
        if windows:
            write_msi(root, signer).rename(root / MSI)
        write_pyz(root)
        (root / MANIFEST).write_text(manifest(root))
        _set_times(root)
        _make(root, iso, label)


def contents(*, windows: bool, signer: Signer | None) -> dict[str, bytes]:
    """The files by their names, but for vsocks.pyz, the MSI and the checksums."""
    sources = [path for path in FILES.iterdir() if windows or path.suffix != ".cmd"]
    sources += [path for pattern in FOR_LINUX for path in DATA.rglob(pattern)]
    found = {path.name: _lines_for_its_system(path) for path in sorted(sources)}
    if windows:
        found["vsocks-guest.exe"] = file_form(signer)
    return found


def listing(iso: Path) -> list[str]:
    """What is on a disc: a line a file, its size in bytes and its name."""
    command = ["xorriso", "-indev", str(iso), "-find", "/", "-type", "f", "-exec", "lsdl"]
    rows = [line.split(maxsplit=8) for line in _run(command).splitlines()]
    return [f"{row[4]:>9} {row[8].strip(chr(39) + '/')}" for row in rows if len(row) == 9]


def _lines_for_its_system(path: Path) -> bytes:
    content = path.read_bytes()
    return content.replace(b"\n", b"\r\n") if path.suffix in FOR_NOTEPAD else content


def _set_times(root: Path) -> None:
    when = source_epoch()
    for path in (*root.iterdir(), root):
        path.chmod(0o755 if path.is_dir() or path.suffix in {".sh", ".pyz", ".exe"} else 0o644)
        os.utime(path, (when, when))


def _make(root: Path, iso: Path, label: str) -> None:
    iso.unlink(missing_ok=True)
    when = source_epoch()
    stamp = time.strftime("%Y%m%d%H%M%S00", time.gmtime(when))
    command = ["xorriso", "-as", "mkisofs", "-quiet", "-V", label, "-r", "-joliet"]
    command += [f"--modification-date={stamp}", "-o", str(iso), str(root)]
    _run(command, SOURCE_DATE_EPOCH=str(when))


def _run(command: list[str], **environment: str) -> str:
    ended = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
    )
    if ended.returncode:
        raise DiscError(f"{' '.join(command)} ended with {ended.returncode}:\n{ended.stderr}")
    return ended.stdout
