"""docs/design.md and docs/protocol.md name files, classes and methods that exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

pytestmark = pytest.mark.unit

REPOSITORY = Path(__file__).parents[3]
PACKAGE = REPOSITORY / "vsocks"
DESIGN = (REPOSITORY / "docs" / "design.md").read_text("utf-8")
PROTOCOL = (REPOSITORY / "docs" / "protocol.md").read_text("utf-8")

FILE = re.compile(r"[\w/]+\.py\b")
METHOD = re.compile(r"\b([A-Z]\w*[a-z]\w*)\.([a-z_]\w+)\b")
#: asyncio's.
OTHERS = {"IocpProactor"}


def methods() -> dict[str, set[str]]:
    """The names of all methods, by their class."""
    found: dict[str, set[str]] = {}
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ClassDef):
                functions = (ast.FunctionDef, ast.AsyncFunctionDef)
                names = {each.name for each in node.body if isinstance(each, functions)}
                found.setdefault(node.name, set()).update(names)
    return found


@pytest.mark.parametrize(
    ("text", "folders"),
    [(DESIGN, (PACKAGE, REPOSITORY)), (PROTOCOL, (PACKAGE / "protocol",))],
    ids=["design", "protocol"],
)
def test_every_file_that_is_named_exists(text: str, folders: tuple[Path, ...]) -> None:
    named = set(FILE.findall(text))
    assert len(named) > 10
    assert [n for n in sorted(named) if not any((f / n).exists() for f in folders)] == []


def test_every_method_that_is_named_exists() -> None:
    named = {pair for pair in METHOD.findall(DESIGN) if pair[0] not in OTHERS}
    known = methods()
    assert len(named) > 10
    assert [pair for pair in sorted(named) if pair[1] not in known.get(pair[0], ())] == []
