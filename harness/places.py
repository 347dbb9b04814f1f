"""Where things lie, in the repository and in an installed wheel.

The wheel has this package under the name of `vsocks_harness`, and the recipes of `vm/` in it. What
only the repository has (documents, `dist/`) is found by `ROOT` and used by its own commands alone.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import vsocks

assert __package__, "a part of a package, whatever that is called"
COMMAND = f"python -m {__package__}"
"""What a person types to get at the harness."""

HERE = Path(str(files(__package__)))
"""The harness itself."""

ROOT = HERE.parent
"""The project's folder, in the repository."""

IN_REPOSITORY = (ROOT / "pyproject.toml").is_file() and (ROOT / "vm").is_dir()

RECIPES = ROOT / "vm" if IN_REPOSITORY else HERE / "vm"
"""What images are built from."""

PROGRAM = Path(vsocks.__file__).parent
"""The vsocks that goes into a guest: the one that this Python imports."""
