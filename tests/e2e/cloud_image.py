"""An image like those that Debian makes for clouds, which can't be asked for everywhere."""

from __future__ import annotations

from pathlib import Path

from harness.apt import run_suite_recipe
from harness.cache import cache_folder, hash_of_tree, made
from harness.places import RECIPES
from harness.programs import need

RECIPE = RECIPES / "cloud"
SUITE = "bookworm"


def debian_cloud_image() -> Path:
    """The image of the recipe as it is now, qcow2; building it takes some minutes."""

    def build(folder: Path) -> None:
        need("mmdebstrap", "mke2fs", "qemu-img")
        run_suite_recipe(RECIPE, folder, "an image with cloud-init", SUITE)

    name = f"debian-cloud-{hash_of_tree(RECIPE)}"
    return made(cache_folder() / "images" / name, build) / "image.qcow2"
