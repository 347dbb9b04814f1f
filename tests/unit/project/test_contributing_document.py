"""Documents name files and commands that exist; the hooks run what `make check` runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

pytestmark = pytest.mark.unit

REPOSITORY = Path(__file__).parents[3]
DOCUMENT = (REPOSITORY / "CONTRIBUTING.md").read_text()
MAKEFILE = (REPOSITORY / "Makefile").read_text(encoding="utf-8")

PATH = re.compile(r"\b(?:vsocks|tests|harness|docs|vm)/[\w./-]*|[\w-]+\.md\b")
#: In place of a name that the reader chooses.
PLACEHOLDER = "NAME"

COMMAND = re.compile(r"(?:`|^ +)make ([a-z][a-z0-9-]*)", re.MULTILINE)
TARGET = re.compile(r"^([a-z][a-z0-9-]*):(?!=)", re.MULTILINE)


@pytest.mark.parametrize(
    ("document", "least"), [("CONTRIBUTING.md", 40), ("docs/reliability.md", 15)]
)
def test_every_file_that_is_named_exists(document: str, least: int) -> None:
    text = (REPOSITORY / document).read_text()
    named = {path.rstrip(".") for path in PATH.findall(text) if PLACEHOLDER not in path}
    assert len(named) > least
    missing = {path for path in named if not (REPOSITORY / path).exists()}
    assert not missing


def test_every_command_that_is_named_exists() -> None:
    named, targets = set(COMMAND.findall(DOCUMENT)), set(TARGET.findall(MAKEFILE))
    assert {"unit", "integration", "e2e", "check", "windows-check"} <= named
    assert named <= targets


def test_the_hooks_run_what_check_runs() -> None:
    recipe = MAKEFILE.partition("\ncheck:")[2].partition("\nformat:")[0]
    checks = [line.strip().replace("$(BIN)", ".venv/bin") for line in recipe.splitlines()[1:]]
    hooks = (REPOSITORY / ".pre-commit-config.yaml").read_text()
    assert re.findall(r"^ *entry: (.+)$", hooks, re.MULTILINE) == checks
