"""What is built twice from one commit is the same to the byte: time stamps and archives."""

from __future__ import annotations

import os
import subprocess
import zipfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from .places import ROOT

EPOCH = 1_750_000_000
"""Of sources that are in no git."""


def source_epoch() -> int:
    """When the source was last committed, in seconds since 1970; or $SOURCE_DATE_EPOCH."""
    if given := os.environ.get("SOURCE_DATE_EPOCH"):
        return int(given)
    command = ["git", "-C", str(ROOT), "log", "-1", "--format=%ct", "--", "vsocks"]
    try:
        told = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    except FileNotFoundError:  # no git, as where the harness is installed
        told = ""
    return int(told) if told.strip() else EPOCH


def write_zip(archive: Path | IO[bytes], files: Mapping[str, bytes]) -> None:
    """A zip of these files (name to content), in order, all of the source's age."""
    when = datetime.fromtimestamp(source_epoch(), UTC).timetuple()[:6]
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as target:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, when)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            target.writestr(entry, files[name])
