"""`make guest-msi`: build the MSI, and say what it weighs."""

from __future__ import annotations

import hashlib
import sys

from ..places import ROOT
from .package import write_msi


def main() -> int:
    """The exit status."""
    msi = write_msi(ROOT / "dist")
    content = msi.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    print(f"{msi.relative_to(ROOT)}  {len(content) / 1e6:.2f} MB  sha256 {digest}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
