"""docs/control.md: its examples are lines of the protocol, its tables have every field."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from pathlib import Path

import pytest

from vsocks.control import lines
from vsocks.control.messages import ITEMS, REQUESTS, Done, Failed
from vsocks.host import control_socket

pytestmark = pytest.mark.unit

DOCUMENT = (Path(__file__).parents[3] / "docs" / "control.md").read_text()
PROTOCOL = DOCUMENT.partition("## The protocol")[2].partition("\n## ")[0]
EXAMPLES = re.findall(r"^    (\{.*\})$", PROTOCOL, re.MULTILINE)
ASKED = [line for line in EXAMPLES if '"request"' in line]
ANSWERED = [line for line in EXAMPLES if line not in ASKED]


def test_each_request_has_an_example() -> None:
    requests = [lines.parse_request(line.encode()) for line in ASKED]
    assert [type(request) for request in requests] == list(REQUESTS.values())
    for line, request in zip(ASKED, requests, strict=True):
        written = json.loads(lines.request_line(request))
        assert {**json.loads(line), "machine": None} == {"machine": None, **written} or (
            json.loads(line) == written
        )


def test_each_item_and_end_has_an_example() -> None:
    answers = [lines.parse_answer(line.encode()) for line in ANSWERED]
    assert {type(answer) for answer in answers} == {*ITEMS.values(), Done, Failed}
    for line, answer in zip(ANSWERED, answers, strict=True):
        assert answer is not None
        assert json.loads(lines.answer_line(answer)) == json.loads(line)


def test_all_fields_are_in_the_table() -> None:
    named: dict[str, list[str]] = {}
    item = ""
    for first, cell in re.findall(
        r"^\| (`[a-z]+` )?\| (`[^|]*`) \| .* \|$", PROTOCOL, re.MULTILINE
    ):
        item = first.strip(" `") or item
        named.setdefault(item, []).extend(re.findall(r"`(.*?)`", cell))
    expected = {name: [field.name for field in fields(kind)] for name, kind in ITEMS.items()}
    assert named == expected


def test_the_numbers_are_those_of_the_code() -> None:
    text = " ".join(DOCUMENT.split())
    assert f"Version {lines.VERSION}." in text
    assert f"has {lines.LONGEST_REQUEST} bytes at most" in text
    assert f"of an answer {lines.LONGEST_ANSWER}." in text
    assert f"{control_socket.MOST} clients are served at once" in text
    assert f"asks nothing for {control_socket.IDLE:.0f} seconds" in text
    assert f"than {control_socket.ANSWER:.0f} seconds for an answer" in text


def test_all_commands_are_in_the_first_table() -> None:
    commands = set(re.findall(r"^\| `vsocks ([a-z]+)", DOCUMENT, re.MULTILINE))
    assert commands == {"top", *(name.partition("-")[0] for name in REQUESTS)}
