"""What the commands share that write a file for Windows into dist/, signed if that is asked for."""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections.abc import Callable
from pathlib import Path

from .exe.errors import BuildError
from .places import ROOT
from .signing import Signer, SigningError, add_signing_options, signer_of

DIST = ROOT / "dist"


def ship(title: str, write: Callable[[Signer | None], list[Path]]) -> int:
    """Run a command that writes files, and say what each weighs; returns the exit status."""
    parser = argparse.ArgumentParser(description=title)
    add_signing_options(parser)
    try:
        written = write(signer_of(parser.parse_args()))
    except (SigningError, BuildError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    for path in written:
        content = path.read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        print(f"{path.relative_to(ROOT)}  {len(content) / 1e6:.2f} MB  sha256 {digest}")
    return 0
