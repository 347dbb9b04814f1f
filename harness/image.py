"""The Debian guest's image: built from `vm/debian` when first asked for, then kept."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from .cache import cache_folder, hash_of_tree, made
from .places import RECIPES
from .progress import say, step

RECIPE = RECIPES / "debian"

USER_NAMESPACE = ["unshare", "--map-root-user", "--map-auto", "--mount", "--pid", "--fork"]


class ImageError(Exception):
    """The image cannot be built; the message holds the end of the build's log."""


@dataclass(frozen=True, slots=True)
class Image:
    """A finished image. Its files are never written to."""

    folder: Path

    @property
    def disk(self) -> Path:
        """The root file system, raw."""
        return self.folder / "disk.raw"

    @property
    def kernel(self) -> Path:
        """For QEMU's -kernel."""
        return self.folder / "vmlinuz"

    @property
    def initrd(self) -> Path:
        """For QEMU's -initrd."""
        return self.folder / "initrd"

    @property
    def key(self) -> Path:
        """The private ed25519 key that opens root's account."""
        return self.folder / "id_ed25519"

    @property
    def host_key(self) -> str:
        """The sshd's public key, base64, without the type in front."""
        return (self.folder / "host_key.pub").read_text().split()[1]


def debian_image() -> Image:
    """The image of the recipe as it is now; building it takes a minute or two."""
    folder = cache_folder() / "images" / f"debian-{hash_of_tree(RECIPE)}"
    return Image(made(folder, _build))


def _build(folder: Path) -> None:
    log = cache_folder() / "image-build.log"
    command = [*as_root(), str(RECIPE / "build"), str(folder)]
    with step("building the Debian guest image (once; then it is kept)"), log.open("wb") as output:
        say(f"   log: {log}")
        status = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, check=False
        ).returncode
    if status:
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-20:])
        raise ImageError(f"{' '.join(command)} ended with status {status}:\n{tail}")


def as_root() -> list[str]:
    """The prefix that makes a command root, or root enough, on this machine."""
    if os.geteuid() == 0:
        return []
    trial = subprocess.run([*USER_NAMESPACE, "true"], capture_output=True, check=False)
    return USER_NAMESPACE if trial.returncode == 0 else ["sudo"]
