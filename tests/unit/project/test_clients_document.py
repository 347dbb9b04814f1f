"""docs/clients.md: every line says how it was tried, and the tests of its last table exist.

What was tried by hand has its version.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

pytestmark = pytest.mark.unit

REPOSITORY = Path(__file__).parents[3]
DOCUMENT = (REPOSITORY / "docs" / "clients.md").read_text()
CLIENTS = REPOSITORY / "tests" / "integration" / "clients"
TEST = re.compile(r"`([\w/]*test_\w+\.py)::(test_\w+)`")
BY_HAND = re.compile(r"by hand, with \w[\w ]* \d+\.\d+")
TEST_ROW = re.compile(r"^\| (?P<client>[^|]+) \| (?P<tests>[^|]*::[^|]*) \|$", re.MULTILINE)
ROW = re.compile(r"^\|(?P<client>[^|]+)\|(?P<how>.+)\|(?P<tried>[^|]+)\|$", re.MULTILINE)


def rows() -> list[tuple[str, str]]:
    """Each client of the document, and what stands in its last column."""
    text = DOCUMENT.partition("## Which test")[0]
    found = [(row["client"].strip(), row["tried"].strip()) for row in ROW.finditer(text)]
    return [(client, tried) for client, tried in found if tried not in ("tried", "---")]


def named_tests() -> dict[str, str]:
    """What stands beside each client in the last table."""
    table = DOCUMENT.partition("## Which test")[2]
    return {row["client"]: row["tests"] for row in TEST_ROW.finditer(table)}


def names_in(path: Path) -> set[str]:
    tree = ast.parse(path.read_text())
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_there_are_rows() -> None:
    assert len(rows()) > 20


@pytest.mark.parametrize(("client", "tried"), rows())
def test_each_line_says_how_it_was_tried(client: str, tried: str) -> None:
    assert tried.startswith(("by a test", "not tried here")) or BY_HAND.match(tried), client
    assert tried.startswith("by a test") == (client in named_tests()), client


@pytest.mark.parametrize(("client", "tests"), named_tests().items())
def test_each_test_that_is_named_exists(client: str, tests: str) -> None:
    named = TEST.findall(tests)
    assert named, client
    assert client in dict(rows()), client
    for file, test in named:
        path = REPOSITORY / file if "/" in file else CLIENTS / file
        assert path.exists(), file
        assert test in names_in(path), f"{file}::{test}"
