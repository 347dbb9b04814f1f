"""The modules that only Windows can run: they assert the platform at their top.

Printed with commas between them, as coverage takes what it is to leave out.
"""

from __future__ import annotations

import ast
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "vsocks"
ASSERTION = "assert sys.platform == 'win32'"


def windows_only(package: Path = PACKAGE) -> list[Path]:
    """Their files, in order."""
    return [path for path in sorted(package.rglob("*.py")) if asserts_windows(path)]


def asserts_windows(path: Path) -> bool:
    return any(ast.unparse(node) == ASSERTION for node in ast.parse(path.read_text()).body)


if __name__ == "__main__":
    print(*windows_only(), sep=",")
