"""`make guest-iso`: build the disc, and say what is on it."""

from __future__ import annotations

import sys

from ..places import ROOT
from .iso import NAME, listing, write_guest_iso


def main() -> int:
    """The exit status."""
    iso = ROOT / "dist" / NAME
    iso.parent.mkdir(exist_ok=True)
    write_guest_iso(iso)
    print(f"{iso.relative_to(ROOT)}  {iso.stat().st_size / 1e6:.2f} MB")
    for name in listing(iso):
        print(f"    {name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
