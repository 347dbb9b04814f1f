"""Unpacks an uploaded tar archive, removes it, and has the disk written.

python -m inside.unpack ARCHIVE FOLDER
"""

from __future__ import annotations

import os
import sys
import tarfile
from pathlib import Path

VOLUME = r"\\.\C:"


def unpack(archive: Path, folder: Path) -> None:
    """All of it, into a folder that is made if need be."""
    folder.mkdir(parents=True, exist_ok=True)
    with tarfile.open(archive) as tar:
        # Not by an argument, which Python has since 3.11.4 only.
        vars(tar)["extraction_filter"] = getattr(tarfile, "data_filter", None)
        tar.extractall(folder)
    archive.unlink()


def write_through() -> None:
    """Have Windows write what it still holds in memory: a reset would lose it."""
    if sys.platform == "win32":
        volume = os.open(VOLUME, os.O_RDWR | os.O_BINARY)
        try:
            os.fsync(volume)
        finally:
            os.close(volume)
    else:
        os.sync()


if __name__ == "__main__":
    unpack(Path(sys.argv[1]), Path(sys.argv[2]))
    try:
        write_through()
    except OSError as error:  # the files are there all the same
        print(f"the disk was not written: {error}", file=sys.stderr)
