"""Prints the ends of all log files of some folders.

python -m inside.logs FOLDER…
"""

from __future__ import annotations

import sys
from pathlib import Path

LINES = 2000


def show(folder: Path) -> None:
    """The last lines of each log in a folder, which may be missing."""
    for path in sorted(folder.glob("*.log*")):
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()[-LINES:]
        print(f"==> {path} <==", *lines, "", sep="\n")


if __name__ == "__main__":
    sys.stdout.reconfigure(encoding="utf-8")  # type: ignore[union-attr]
    for argument in sys.argv[1:]:
        show(Path(argument))
