"""`make guest-exe`: build what is shipped, and say what it weighs."""

from __future__ import annotations

import sys

from ..shipping import DIST, ship
from .shipped import write_distribution

if __name__ == "__main__":
    sys.exit(ship("vsocks-guest.exe", lambda signer: write_distribution(DIST, signer)))
