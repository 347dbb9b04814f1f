"""`make guest-exe`: build what is shipped, and say what it is built on and what it weighs."""

from __future__ import annotations

import sys
from pathlib import Path

from ..shipping import DIST, ship
from ..signing import Signer
from .python import programs_python
from .shipped import write_distribution
from .signatures import not_in_catalogue


def write(signer: Signer | None) -> list[Path]:
    """Build it, and say who vouches for the Python in it."""
    written = write_distribution(DIST, signer)
    python = programs_python()
    by_hash_alone = len(not_in_catalogue(python.folder))
    print(python)
    print(f"files of its library that rest on that hash alone: {by_hash_alone}")
    return written


if __name__ == "__main__":
    sys.exit(ship("vsocks-guest.exe", write))
