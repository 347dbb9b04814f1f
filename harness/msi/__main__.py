"""`make guest-msi`: build the MSI, and say what it weighs."""

from __future__ import annotations

import sys

from ..shipping import DIST, ship
from .package import write_msi

if __name__ == "__main__":
    sys.exit(ship("vsocks-guest.msi", lambda signer: [write_msi(DIST, signer)]))
