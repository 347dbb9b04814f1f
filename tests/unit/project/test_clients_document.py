"""docs/clients.md: every line says where it was tried, and the tests that it names exist.

What was tried by hand has its version.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

pytestmark = pytest.mark.unit

REPOSITORY = Path(__file__).parents[3]
CLIENTS = REPOSITORY / "tests" / "integration" / "clients"
TEST = re.compile(r"`([\w/]*test_\w+\.py)::(test_\w+)`")
BY_HAND = re.compile(r"by hand, with \w[\w ]* \d+\.\d+")
ROW = re.compile(r"^\|(?P<client>[^|]+)\|(?P<how>.+)\|(?P<tried>[^|]+)\|$", re.MULTILINE)


def rows() -> list[tuple[str, str]]:
    """Each client of the document, and what stands in its last column."""
    text = (REPOSITORY / "docs" / "clients.md").read_text()
    found = [(row["client"].strip(), row["tried"].strip()) for row in ROW.finditer(text)]
    return [(client, tried) for client, tried in found if tried not in ("tried", "---")]


def names_in(path: Path) -> set[str]:
    tree = ast.parse(path.read_text())
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_there_are_rows() -> None:
    assert len(rows()) > 20


@pytest.mark.parametrize(("client", "tried"), rows())
def test_each_line_says_where_it_was_tried(client: str, tried: str) -> None:
    named = TEST.findall(tried)
    assert named or tried.startswith("not tried here") or BY_HAND.match(tried), client
    for file, test in named:
        path = REPOSITORY / file if "/" in file else CLIENTS / file
        assert path.exists(), file
        assert test in names_in(path), f"{file}::{test}"
