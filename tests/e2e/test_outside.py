"""A stranger installs the wheel, and tests a project of his own in a machine."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

import pytest

from harness.cache import cache_folder
from harness.places import ROOT
from tests.integration.support.wheel import build, succeed

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.usefixtures("debian"),
    pytest.mark.timeout(900, func_only=True),
]

OUTSIDE = ROOT / "tests" / "outside"
DOCUMENT = ROOT / "docs" / "harness.md"


def example() -> str:
    """What docs/harness.md begins with."""
    found = re.search(r"```python\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    assert found
    return found[1]


def test_a_project_outside_tests_itself_in_a_machine(tmp_path: Path) -> None:
    """With the example of the document among its tests; all of it keeps the types."""
    project = tmp_path / "outside"
    shutil.copytree(OUTSIDE, project, ignore=shutil.ignore_patterns("__pycache__", ".*"))
    assert len(example().splitlines()) <= 20
    (project / "test_example.py").write_text(example())
    wheel = build(tmp_path / "wheel")
    succeed(sys.executable, "-m", "venv", tmp_path / "venv")
    programs = tmp_path / "venv" / "bin"
    succeed(programs / "pip", "install", "--quiet", f"{wheel}[harness]", project)
    told = succeed(programs / "pytest", folder=project, VSOCKS_CACHE=str(cache_folder()))
    assert "4 passed" in told
    assert re.search(r"^test_another_is_not +Linux +passed", told, re.MULTILINE)
    told = succeed(programs / "python", "-m", "vsocks_harness", "--help")
    assert "python -m vsocks_harness" in told
    mypy = (sys.executable, "-m", "mypy", "--strict", "--python-executable", programs / "python")
    succeed(*mypy, project / "test_sandbox.py", folder=project)
