"""What is shipped of the program, signed or not."""

from __future__ import annotations

from pathlib import Path

from ..guest import files_of
from ..reproducible import write_zip
from ..signing import Signer
from .archive import with_file
from .build import NAME, guest_exe, guest_folder
from .python import programs_python

PROGRAM = f"{NAME}.exe"
INSIDE = rf"service\{PROGRAM}"
"""Where the one-file form carries the other one's program, which `service install` lays out."""


def folder_files(signer: Signer | None) -> dict[str, bytes]:
    """The folder form's files. All libraries in it are others', who have signed them."""
    files = files_of(guest_folder())
    if signer:
        files[PROGRAM] = signer.signed(files[PROGRAM], ".exe")
    return files


def file_form(signer: Signer | None) -> bytes:
    """The one-file form. When signed, so is the program that it installs."""
    program = guest_exe().read_bytes()
    if signer is None:
        return program
    return signer.signed(with_file(program, INSIDE, folder_files(signer)[PROGRAM]), ".exe")


def write_distribution(folder: Path, signer: Signer | None = None) -> list[Path]:
    """Put it into `folder`: the one-file form, and a zip of the other."""
    folder.mkdir(parents=True, exist_ok=True)
    exe, archive = folder / PROGRAM, folder / f"{NAME}-win{programs_python().bits}.zip"
    exe.write_bytes(file_form(signer))
    files = folder_files(signer)
    write_zip(archive, {f"{NAME}/{name}": content for name, content in files.items()})
    return [exe, archive]
