"""The packages in a Debian that has nothing else: installed by apt, run, and thrown away."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from ..apt import proxies, sources
from ..captured import captured
from ..image import as_root
from .build import DebError

CHECK = Path(__file__).parent / "check.py"
SECONDS = 900


def try_in_chroot(packages: list[Path], suite: str) -> str:
    """What the check said; raises DebError if something didn't work."""
    with tempfile.TemporaryDirectory(prefix="vsocks-debs-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # apt reads them as a user of its own
        for path in (*packages, CHECK):
            shutil.copy(path, folder)
        (folder / "apt.conf").write_text(proxies())
        inside = "apt-get install -y --no-install-recommends /tmp/packages/*.deb"
        command = [
            *(*as_root(), "mmdebstrap", "--mode=root", "--variant=apt", "--quiet"),
            *("--format=null", f"--aptopt={folder / 'apt.conf'}"),
            f'--customize-hook=mkdir "$1/tmp/packages" && cp {folder}/*.deb "$1/tmp/packages"',
            f'--customize-hook=cp {folder / CHECK.name} "$1/tmp/check.py"',
            f'--customize-hook=chroot "$1" sh -c "{inside} python3-uvloop"',
            '--customize-hook=chroot "$1" python3 /tmp/check.py',
            *(suite, "/dev/null", *sources(suite)),
        ]
        said = captured(
            command, DebError, name="the check of the packages in a chroot", timeout=SECONDS
        )
    return "".join(f"{line}\n" for line in said.splitlines() if line.startswith("check: "))
