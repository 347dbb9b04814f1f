"""The source package, assembled in build/deb/, and the packages that debhelper makes of it."""

from __future__ import annotations

import os
import shutil
from email.utils import formatdate
from importlib.metadata import distribution
from pathlib import Path

from vsocks import __version__

from ..captured import captured
from ..manuals import write_manuals
from ..places import ROOT
from ..reproducible import source_epoch

TEMPLATES = Path(__file__).parent / "debian"
WORK = ROOT / "build" / "deb"
DATA = ROOT / "vsocks" / "data"
UNITS = DATA / "systemd"
#: Files of vsocks/data by the names under which debhelper looks for them.
OF_THE_SYSTEM = {
    "vsocks-guest.service": "vsocks-guest.service",
    "60-vsocks.rules": "vsocks-guest.udev",
    "vsocks-host.service": "vsocks-host.service",
    "vsocks.tmpfiles.conf": "vsocks-host.tmpfiles",
    "vsocks.sysusers.conf": "vsocks.sysusers",
}
VENDORED = "aiohappyeyeballs"
"""Debian 12 and Ubuntu 24.04 have no package of it; it is pure Python."""
MAINTAINER = "vsocks <vsocks@packages.invalid>"


class DebError(Exception):
    """The packages can't be built; the message holds the end of what was said."""


def build_debs(target: Path) -> list[Path]:
    """Build the packages into `target`; returns them."""
    source = WORK / f"vsocks-{__version__}"
    shutil.rmtree(WORK, ignore_errors=True)
    assemble(source)
    _run(["dpkg-buildpackage", "--build=binary", "--no-sign"], source)
    target.mkdir(parents=True, exist_ok=True)
    for old in target.glob("vsocks*.deb"):
        old.unlink()
    return [Path(shutil.copy(path, target)) for path in sorted(WORK.glob("*.deb"))]


def lint(packages: list[Path]) -> str:
    """What lintian says of them; raises DebError if there is an error among it."""
    command = ["lintian", "--allow-root", "--fail-on", "error", *map(str, packages)]
    return _run(command, WORK)


def assemble(source: Path) -> None:
    """Put the program, what is made of it, and debian/ into a folder."""
    ignored = shutil.ignore_patterns("__pycache__", "data")
    shutil.copytree(ROOT / "vsocks", source / "vsocks", ignore=ignored)
    shutil.copytree(ROOT / "docs", source / "docs")
    for name in ("README.md", "SECURITY.md"):
        shutil.copy(ROOT / name, source)
    write_manuals(source / "manuals")
    zsh = source / "manuals" / "share" / "zsh"
    (zsh / "site-functions").rename(zsh / "vendor-completions")  # where Debian's zsh looks
    shutil.copy(DATA / "host.toml", source)
    licence = _vendor(source / "vendored")
    shutil.copytree(TEMPLATES, source / "debian")
    (source / "bin").mkdir()
    (source / "debian" / "launcher").rename(source / "bin" / "vsocks")
    (source / "bin" / "vsocks").chmod(0o755)
    (source / "debian" / "rules").chmod(0o755)
    for name, debhelper_name in OF_THE_SYSTEM.items():
        shutil.copy(UNITS / name, source / "debian" / debhelper_name)
    _fill(source / "debian", licence)


def _vendor(folder: Path) -> str:
    """Copy the package that Debian may lack; returns its licence."""
    licence = ""
    for file in distribution(VENDORED).files or []:
        if file.parts[0] == VENDORED and file.suffix == ".py":
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file.locate(), folder / file)
        elif file.name == "LICENSE":
            licence = file.read_text()
    if not licence:
        raise DebError(f"the installed {VENDORED} has no licence with it")
    return licence


def _fill(debian: Path, licence: str) -> None:
    when = formatdate(source_epoch())
    entry = f"  * {__version__}: see CHANGELOG.md of the source.\n\n -- {MAINTAINER}  {when}\n"
    (debian / "changelog").write_text(f"vsocks ({__version__}) stable; urgency=medium\n\n{entry}")
    (debian / "source").mkdir(exist_ok=True)
    (debian / "source" / "format").write_text("3.0 (native)\n")
    texts = {
        "@MAINTAINER@": MAINTAINER,
        "@UNLICENSE@": _indented((ROOT / "LICENSE").read_text()),
        "@PSF@": _indented(licence),
    }
    for name in ("control", "copyright"):
        text = (debian / name).read_text()
        for word, meaning in texts.items():
            text = text.replace(word, meaning)
        (debian / name).write_text(text)


def _indented(text: str) -> str:
    """A text as a field of a control file: no line of it is empty."""
    return "\n".join(f" {line.rstrip() or '.'}" for line in text.strip().splitlines())


def _run(command: list[str], folder: Path) -> str:
    return captured(
        command,
        DebError,
        name=f"{' '.join(command[:3])} …",
        lines=30,
        cwd=folder,
        env={**os.environ, "SOURCE_DATE_EPOCH": str(source_epoch()), "LC_ALL": "C.UTF-8"},
    )
