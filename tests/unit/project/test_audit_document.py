"""docs/audit.md names all fields of a line, its kinds and its events, and the numbers that hold."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from vsocks.audit import folding
from vsocks.audit.record import LONGEST_TEXT, Event, Kind, Record, line_of

pytestmark = pytest.mark.unit

DOCUMENT = (Path(__file__).parents[3] / "docs" / "audit.md").read_text()
ROWS = dict(re.findall(r"^\| (`.*?`) \| (.*) \|$", DOCUMENT, re.MULTILINE))


def test_all_fields_are_named_in_their_order() -> None:
    record = replace(Record("t", "m", Kind.DNS, Event.ANSWERED), since="t")
    named = [name for row in ROWS for name in re.findall(r"`(.*?)`", row)]
    assert named == list(json.loads(line_of(record)))


@pytest.mark.parametrize(("field", "values"), [("kind", Kind), ("event", Event)])
def test_all_values_are_named(field: str, values: type[Kind | Event]) -> None:
    named = set(re.findall(r"`([a-z-]+)`", ROWS[f"`{field}`"]))
    assert named - {"lost"} == {value.value for value in values}


def test_the_numbers_are_those_of_the_code() -> None:
    text = " ".join(DOCUMENT.split())
    assert f"within the next {folding.SECONDS:g} seconds" in text
    assert f"Beyond {folding.RATE:g} different lines" in text
    assert f"({folding.BURST:,} at once)" in text
    assert f"has {LONGEST_TEXT} characters at most" in text
