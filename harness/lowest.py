"""The lowest versions that pyproject.toml allows, as pip's requirements, for `make lowest`."""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
_EXTRAS = ("host", "serial", "qemu", "harness", "dev")
#: Extras that name another, and programs of `make check` with what only they read.
_LEFT_OUT = re.compile(r"(vsocks\[|ruff\b|mypy\b|types-)")


def requirements(pyproject: str) -> Iterator[str]:
    """A line for each package that the program or its tests need, at its lowest version."""
    project = tomllib.loads(pyproject)["project"]
    extras = project["optional-dependencies"]
    for line in (line for name in _EXTRAS for line in extras[name]):
        if not _LEFT_OUT.match(line):
            yield line.replace(">=", "==", 1)


if __name__ == "__main__":
    sys.stdout.writelines(
        f"{line}\n" for line in requirements((REPOSITORY / "pyproject.toml").read_text())
    )
