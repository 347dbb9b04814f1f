"""Debian's archive as the apt at hand knows it, for mmdebstrap."""

from __future__ import annotations

import subprocess
from pathlib import Path

from .image import run_recipe


def run_suite_recipe(recipe: Path, folder: Path, what: str, suite: str) -> None:
    """`run_recipe` with a release of Debian, and from where it is had. Raises ImageError."""
    (folder / "apt.conf").write_text(proxies())
    run_recipe(recipe, folder, what, suite, *sources(suite))


def proxies() -> str:
    """The proxies of the apt at hand, which mmdebstrap doesn't read by itself."""
    told = _say("apt-config", "dump", "--format", '%F "%v";%n')
    return "".join(f"{line}\n" for line in told.splitlines() if "::Proxy" in line)


def sources(suite: str) -> list[str]:
    """Debian's archive as our apt knows it; without one mmdebstrap takes the usual."""
    told = _say("apt-get", "indextargets", "--format", "$(LABEL) $(REPO_URI)")
    mirrors = [line.split()[1] for line in told.splitlines() if line.startswith("Debian http")]
    return [f"deb {mirror} {suite} main" for mirror in mirrors[:1]]


def _say(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout
