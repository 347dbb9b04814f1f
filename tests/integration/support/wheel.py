"""The wheel, built of the sources as they are, and programs that see nothing else of them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[3]
SOURCES = ("vsocks", "harness", "vm", "docs", "pyproject.toml", "*.md", "LICENSE")
SECONDS = 600


def build(folder: Path) -> Path:
    """Build it in a copy of the sources, with what is installed here."""
    source = folder / "source"
    source.mkdir(parents=True)
    for path in (path for pattern in SOURCES for path in REPOSITORY.glob(pattern)):
        if path.is_dir():
            shutil.copytree(path, source / path.name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(path, source)
    command = (sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder)
    succeed(*command, source, SOURCE_DATE_EPOCH="1750000000")
    [wheel] = folder.glob("*.whl")
    return wheel


def succeed(*command: str | Path, folder: Path = Path("/"), **environment: str) -> str:
    """What a command prints that has to end with 0, and that nothing leads to our sources."""
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
        env={**clean, **environment},
        cwd=folder,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
