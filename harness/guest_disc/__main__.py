"""`make guest-iso`: build the disc, and say what is on it."""

from __future__ import annotations

import sys
from pathlib import Path

from ..shipping import DIST, ship
from ..signing import Signer
from .iso import NAME, listing, write_guest_iso


def write(signer: Signer | None) -> list[Path]:
    """The disc, whose files are listed."""
    iso = DIST / NAME
    iso.parent.mkdir(exist_ok=True)
    write_guest_iso(iso, signer=signer)
    for name in listing(iso):
        print(f"    {name}")
    return [iso]


if __name__ == "__main__":
    sys.exit(ship(NAME, write))
