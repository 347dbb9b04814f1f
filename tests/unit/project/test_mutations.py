"""The changes that spoil a module on purpose: every one is code, and none is what was there."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.mutate.changes import changes

pytestmark = pytest.mark.unit

REPOSITORY = Path(__file__).parents[3]

SOURCE = """\
if TYPE_CHECKING:
    LEFT = 1
def bounded(size: int = 4, *, is_last: bool = False) -> bool:
    \"\"\"Ünïcode shifts bytes.\"\"\"
    if (size + 1) <= (BOUND):
        tell(size)
    return is_last and size != 7
"""
SPOILT = [
    "size: int = 5",
    "is_last: bool = True",
    "if (not ((size + 1) <= (BOUND))):",
    "(size -1)",
    "size + 2)",
    "1) <(BOUND)",
    "\n        pass\n",
    "return None",
    "is_last orsize != 7",
    "size ==7",
    "!= 8",
]


def test_they_are_those_of_a_module() -> None:
    source = SOURCE.encode()
    spoilt = [change.applied(source).decode() for change in changes(source)]
    assert len(spoilt) == len(SPOILT)
    for wanted in SPOILT:
        assert sum(squeezed(wanted) in squeezed(text) for text in spoilt) == 1, wanted
    assert all("LEFT = 1" in text for text in spoilt)


def squeezed(text: str) -> str:
    """Without what stands between the words."""
    return "".join(text.split())


@pytest.mark.parametrize("name", ["protocol/session.py", "http1/head.py", "address.py"])
def test_of_true_modules_each_is_other_code(name: str) -> None:
    source = (REPOSITORY / "vsocks" / name).read_bytes()
    found = changes(source)
    assert len(found) > 30
    before = ast.dump(ast.parse(source))
    for change in found:
        assert ast.dump(ast.parse(change.applied(source))) != before, change.shown(source)
