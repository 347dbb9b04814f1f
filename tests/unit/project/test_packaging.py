"""What is installed: every folder of the package, its types, and one version everywhere."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

import pytest

import vsocks
from tests.windows_only import PACKAGE, windows_only

pytestmark = pytest.mark.unit

REPOSITORY = Path(__file__).parents[3]
SETUPTOOLS = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["setuptools"]


HARNESS = REPOSITORY / "harness"
OF_THE_HARNESS = "vsocks_harness"
"""What it is called where it is installed: `harness` is too common a word there."""
OF_THE_REPOSITORY = {f"{OF_THE_HARNESS}.deb"}
"""Builds what only the repository can."""
RECIPES = f"{OF_THE_HARNESS}.vm"
"""A folder of files, no package of Python's."""


def packages(folder: Path, name: str) -> set[str]:
    folders = {path.parent for path in folder.rglob("*.py")}
    assert all((it / "__init__.py").is_file() for it in folders)
    return {".".join((name, *it.relative_to(folder).parts)) for it in folders}


def test_every_folder_is_a_package_that_is_installed() -> None:
    names = packages(PACKAGE, "vsocks") | packages(HARNESS, OF_THE_HARNESS) | {RECIPES}
    assert SETUPTOOLS["packages"] == sorted(names - OF_THE_REPOSITORY)
    assert SETUPTOOLS["package-dir"] == {OF_THE_HARNESS: "harness", RECIPES: "vm"}


@pytest.mark.parametrize("path", sorted(HARNESS.rglob("*.py")), ids=lambda it: it.name)
def test_the_harness_works_under_both_of_its_names(path: Path) -> None:
    """It calls itself by none of them."""
    for node in ast.walk(ast.parse(path.read_text())):
        names = [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        assert not {name.partition(".")[0] for name in names} & {"harness", OF_THE_HARNESS}


def test_files_that_are_no_modules_are_installed_by_name() -> None:
    others = [
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*")
        if path.is_file() and path.suffix not in {".py", ".pyc"}
    ]
    assert SETUPTOOLS["package-data"]["vsocks"] == sorted(others)
    assert "py.typed" in others
    assert "py.typed" in SETUPTOOLS["package-data"][OF_THE_HARNESS]
    assert (HARNESS / "py.typed").is_file()


def test_the_version_is_three_numbers() -> None:
    """The Windows program's resource is made of them."""
    assert re.fullmatch(r"\d+\.\d+\.\d+", vsocks.__version__)


def test_the_changelog_begins_with_this_version() -> None:
    changelog = (REPOSITORY / "CHANGELOG.md").read_text()
    versions = re.findall(r"^## (\d\S*)", changelog, re.MULTILINE)
    assert versions[0] == vsocks.__version__
    assert len(set(versions)) == len(versions)


def test_modules_for_windows_only_are_those_that_assert_it(tmp_path: Path) -> None:
    """Coverage leaves them out on Linux."""
    for name, text in {
        "windows": 'import sys\nassert sys.platform == "win32"',
        "linux": 'import sys\nassert sys.platform != "win32"',
        "both": 'import sys\ndef windows():\n    assert sys.platform == "win32"',
    }.items():
        (tmp_path / f"{name}.py").write_text(text)
    assert windows_only(tmp_path) == [tmp_path / "windows.py"]
    rooms = {path.parent.name for path in windows_only()}
    assert rooms == {"windows", "channel", "cli"}
