"""The options that were typed, written down as a file: read again, they are what they were."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.cli.test_guest_file import parser
from vsocks.cli.guest_file import read_guest_file
from vsocks.cli.guest_toml import given_options, toml_of

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("typed", "text"),
    [
        ("", ""),
        ("--max-streams 7", "max-streams = 7\n"),
        ("--max-streams 007", 'max-streams = "007"\n'),
        ("--idle-timeout 1.5 -v", "idle-timeout = 1.5\nverbose = 1\n"),
        (
            "--listen 127.0.0.1:1 --listen [::1]:2 --wire original",
            'listen = ["127.0.0.1:1", "[::1]:2"]\nwire = "original"\n',
        ),
    ],
)
def test_the_text(typed: str, text: str, tmp_path: Path) -> None:
    assert toml_of(given_options(typed.split())) == text
    path = tmp_path / "guest.toml"
    path.write_text(text, "utf-8")
    read = read_guest_file(path, parser())
    meant = vars(parser().parse_args(["--channel", "auto", *typed.split()]))
    assert read == {name: meant[name] for name in read}


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_can_be_written(text: str) -> None:
    """What looks like a number is one, which the file's reader takes for the same text."""
    assert str(tomllib.loads(toml_of({"trace": text}))["trace"]) == text
