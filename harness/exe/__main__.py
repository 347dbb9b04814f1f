"""`make guest-exe`: build what is shipped, and say what it weighs."""

from __future__ import annotations

import hashlib
import sys

from ..places import ROOT
from .build import write_distribution


def main() -> int:
    """The exit status."""
    for path in write_distribution(ROOT / "dist"):
        content = path.read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        print(f"{path.relative_to(ROOT)}  {len(content) / 1e6:.2f} MB  sha256 {digest}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
