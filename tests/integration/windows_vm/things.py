"""Small stand-ins for the big files that an image is built from."""

from __future__ import annotations

import subprocess
import zipfile
from pathlib import Path

from harness.windows.iso import DRIVER_FILES


def iso_of(root: Path, iso: Path, label: str) -> Path:
    """An ISO of a folder."""
    command = ["xorriso", "-as", "mkisofs", "-quiet", "-J", "-V", label, "-o", str(iso), str(root)]
    subprocess.run(command, check=True)
    return iso


def virtio_win(folder: Path) -> Path:
    """An ISO with the folders of the virtio-win ISO that we look into."""
    root = folder / "virtio-win"
    for system in ("2k22", "2k25", "w11"):
        place = root / "vioserial" / system / "amd64"
        place.mkdir(parents=True)
        for name in (*DRIVER_FILES, "vioser.pdb"):
            (place / name).write_text(f"{name} for {system}")
    return iso_of(root, folder / "virtio-win.iso", "virtio-win-0.1.271")


def python(folder: Path) -> Path:
    """A folder that looks like the Windows Python."""
    root = folder / "python"
    (root / "Lib" / "asyncio").mkdir(parents=True)
    (root / "python.exe").write_bytes(b"MZ")
    (
        root / "Lib" / "asyncio" / "a module with a very long name, longer than eight dot three.py"
    ).touch()
    return root


def openssh(folder: Path) -> Path:
    """A zip as Win32-OpenSSH's."""
    path = folder / "OpenSSH-Win64.zip"
    with zipfile.ZipFile(path, "w") as zipped:
        zipped.writestr("OpenSSH-Win64/install-sshd.ps1", "# a script")
    return path
