"""How pip builds the wheel: as setuptools does, with man pages and completions in it.

https://peps.python.org/pep-0517/ names the functions; all but these are setuptools' own.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from setuptools import build_meta
from setuptools.build_meta import (
    build_editable,
    get_requires_for_build_editable,
    get_requires_for_build_sdist,
    prepare_metadata_for_build_editable,
    prepare_metadata_for_build_wheel,
)
from setuptools.command.egg_info import manifest_maker

__all__ = [
    "build_editable",
    "build_sdist",
    "build_wheel",
    "get_requires_for_build_editable",
    "get_requires_for_build_sdist",
    "get_requires_for_build_wheel",
    "prepare_metadata_for_build_editable",
    "prepare_metadata_for_build_wheel",
]

PREFIX = Path("build/manuals")
"""Where pyproject.toml's data-files look for them."""

SOURCES = "harness/sources.in"
"""What a source distribution has besides the package, in the words of MANIFEST.in."""

Settings = dict[str, str | list[str] | None]


def get_requires_for_build_wheel(config_settings: Settings | None = None) -> list[str]:
    """What makes the manuals, besides what setuptools wants."""
    own = ["argparse-manpage>=4.7", "shtab>=1.7"]
    return [*build_meta.get_requires_for_build_wheel(config_settings), *own]


def build_sdist(sdist_directory: str, config_settings: Settings | None = None) -> str:
    """Build a source distribution into a folder, from which the wheel can be built."""
    manifest_maker.template = SOURCES
    return build_meta.build_sdist(sdist_directory, config_settings)


def build_wheel(
    wheel_directory: str,
    config_settings: Settings | None = None,
    metadata_directory: str | None = None,
) -> str:
    """Build the wheel into a folder; returns its name."""
    from .manuals import write_manuals

    shutil.rmtree(PREFIX, ignore_errors=True)
    write_manuals(PREFIX)
    return build_meta.build_wheel(wheel_directory, config_settings, metadata_directory)
