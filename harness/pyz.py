"""`make guest-pyz`: vsocks in one file, for any system with Python 3.11 or newer."""

from __future__ import annotations

import sys
from io import BytesIO
from pathlib import Path

from .guest import python_files
from .places import PROGRAM, ROOT
from .reproducible import write_zip

NAME = "vsocks.pyz"
FIRST_LINE = b"#!/usr/bin/env python3\n"
MAIN = b"import sys\n\nfrom vsocks.__main__ import main\n\nsys.exit(main())\n"
"""What Python runs. An old one gets no further than to the check in vsocks.__main__."""


def guest_pyz() -> bytes:
    """The file: Python finds the modules behind the line that makes it a program."""
    program = BytesIO()
    program.write(FIRST_LINE)
    write_zip(program, {"__main__.py": MAIN, **python_files(PROGRAM)})
    return program.getvalue()


def write_pyz(folder: Path) -> Path:
    """Put it into a folder, as a program."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / NAME
    path.write_bytes(guest_pyz())
    path.chmod(0o755)
    return path


def main() -> int:
    """The exit status."""
    path = write_pyz(ROOT / "dist")
    print(f"{path.relative_to(ROOT)}  {path.stat().st_size / 1e6:.2f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
