"""The Debian guest's image: built from `vm/debian` when first asked for, then kept."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from .cache import cache_folder, hash_of_tree, made
from .places import COMMAND, RECIPES
from .programs import need, qemu
from .progress import LastTime, say, step

RECIPE = RECIPES / "debian"

NEEDED_MB = 3000
"""What a build takes at its peak: the installed tree, and the disk that it is copied to."""
USUAL_SECONDS = 120.0
"""What a build takes here or there, for who looks on at the first one."""
FULL = "No space left on device"
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


def debian_image(recipe: Path = RECIPE) -> Image:
    """The image of the recipe as it is now; building it takes a minute or two.

    Raises MissingProgramError before that if an image would be for nothing.
    """
    need(qemu(), "qemu-img", "setpriv")
    folder = cache_folder() / "images" / f"debian-{hash_of_tree(recipe)}"
    return Image(made(folder, lambda unfinished: _build(recipe, unfinished)))


def _build(recipe: Path, folder: Path) -> None:
    need("mmdebstrap", "mke2fs")
    run_recipe(recipe, folder, "the Debian guest image")


def run_recipe(recipe: Path, folder: Path, what: str, *arguments: str) -> None:
    """Have a recipe fill a folder with ``what``. Raises ImageError."""
    free = shutil.disk_usage(folder).free >> 20
    if free < NEEDED_MB:
        raise ImageError(f"an image takes up to {NEEDED_MB} MB to build. {_little_room(folder)}")
    log = cache_folder() / "image-build.log"
    command = [*as_root(), str(recipe / "build"), str(folder), *arguments]
    last_time = LastTime(cache_folder() / f"image-build.{recipe.name}.seconds", USUAL_SECONDS)
    title = f"building {what} (once; then it is kept)"
    with step(title, fraction=last_time), log.open("wb") as output:
        say(f"   log: {log}")
        status = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, check=False
        ).returncode
    if status:
        said = log.read_text(errors="replace")
        tail = "\n".join(said.splitlines()[-20:])
        advice = f"\nThe disk was full. {_little_room(folder)}" if FULL in said else ""
        raise ImageError(f"{' '.join(command)} ended with status {status}:\n{tail}{advice}")
    last_time.remember()


def _little_room(folder: Path) -> str:
    free = shutil.disk_usage(folder).free >> 20
    return (
        f"{folder.parent} has {free} MB left: `{COMMAND} clean` removes old images, and "
        "$VSOCKS_CACHE names another folder for all of them"
    )


def as_root() -> list[str]:
    """The prefix that makes a command root, or root enough, on this machine.

    Raises ImageError if there is no way for this user.
    """
    if os.geteuid() == 0:
        return []
    refused = "unshare isn't installed"
    if shutil.which("unshare"):
        trial = subprocess.run(
            [*USER_NAMESPACE, "true"], capture_output=True, text=True, check=False
        )
        if trial.returncode == 0:
            return USER_NAMESPACE
        refused = trial.stderr.strip()
    if shutil.which("sudo"):
        return ["sudo"]
    raise ImageError(
        "building an image needs root, or a user namespace that is as good. This user may "
        f"have none ({refused}), and there is no sudo. Install uidmap and give the user a line in "
        "/etc/subuid and /etc/subgid, or build it once as root, with the same $VSOCKS_CACHE"
    )
