"""docs/configuration.md has every key, and no other; its example is right."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from vsocks.cli.arguments import Parser
from vsocks.cli.guest_file import guest_keys, read_guest_file
from vsocks.cli.guest_options import add_guest_options

pytestmark = pytest.mark.unit

DOCUMENT = Path(__file__).parents[3] / "docs" / "configuration.md"


def section(title: str) -> str:
    return DOCUMENT.read_text("utf-8").partition(f"## {title}\n")[2].partition("\n## ")[0]


def keys_in(title: str) -> list[str]:
    return re.findall(r"^\| `([a-z-]+)` \|", section(title), re.MULTILINE)


def guest_parser() -> Parser:
    parser = Parser(prog="vsocks guest")
    add_guest_options(parser)
    return parser


def test_the_guests_keys_are_all_there() -> None:
    keys = keys_in("The guest's keys")
    assert sorted(keys) == sorted(guest_keys(guest_parser()))


def test_the_example_is_right(tmp_path: Path) -> None:
    lines = re.findall(r"^    (.*)$", section("The form"), re.MULTILINE)
    path = tmp_path / "guest.toml"
    path.write_text("\n".join(lines), "utf-8")
    assert len(read_guest_file(path, guest_parser())) == len(lines) == 4
