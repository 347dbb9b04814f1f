"""A QEMU of another version than the installed one, fetched from Debian and not installed."""

from __future__ import annotations

from pathlib import Path

from .apt import run_suite_recipe
from .cache import cache_folder, hash_of_tree, made
from .places import RECIPES
from .programs import need
from .spec import QEMU

RECIPE = RECIPES / "qemu"
SUITE = "trixie"
"""The release of Debian whose QEMU it is: 10.0."""


def other_qemu() -> Path:
    """What to set $VSOCKS_QEMU to. Fetched at the first call, in half a minute.

    Nothing is installed, and no library of this machine is used. Raises ImageError, or
    MissingProgramError.
    """

    def fetch(folder: Path) -> None:
        need("mmdebstrap")
        run_suite_recipe(RECIPE, folder, f"the QEMU of Debian {SUITE}", SUITE)

    return made(cache_folder() / f"qemu-{SUITE}-{hash_of_tree(RECIPE)}", fetch) / QEMU
