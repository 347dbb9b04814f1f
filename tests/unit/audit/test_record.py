"""A record's line: what it holds, and what it never holds."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vsocks.audit.record import LONGEST_TEXT, Event, Kind, Record, line_of, lost_line

pytestmark = pytest.mark.unit

TIME = "2026-01-02T03:04:05.678+00:00"


def test_a_line_holds_all_that_is_known() -> None:
    record = Record(
        TIME,
        "sample",
        Kind.CONNECT,
        Event.END,
        number="17",
        name="example.com",
        address="192.0.2.1",
        port=443,
        rule="allow *.com",
        sent=3,
        received=5,
        seconds=1.23456,
        end="closed",
    )
    line = line_of(record)
    assert line.endswith(b"}\n")
    assert line.count(b"\n") == 1
    assert json.loads(line) == {
        "time": TIME,
        "machine": "sample",
        "kind": "connect",
        "event": "end",
        "number": "17",
        "client": None,
        "name": "example.com",
        "address": "192.0.2.1",
        "port": 443,
        "allowed": True,
        "rule": "allow *.com",
        "sent": 3,
        "received": 5,
        "seconds": 1.235,
        "end": "closed",
        "count": 1,
    }


@given(st.text())
def test_no_text_of_a_guest_is_raw(text: str) -> None:
    line = line_of(Record(TIME, text, Kind.DNS, Event.FAILED, name=text, end=text))
    assert all(0x20 <= byte < 0x7F for byte in line[:-1])
    if len(text) <= LONGEST_TEXT:
        assert json.loads(line)["name"] == text


@pytest.mark.parametrize("nasty", ["\x1b]0;x\x07", "\u202egpj.exe", "\x7f", "\x9b2J", 'a"\n{"'])
def test_what_would_fool_a_terminal_or_a_reader_is_escaped(nasty: str) -> None:
    line = line_of(Record(TIME, "m", Kind.CONNECT, Event.FAILED, name=nasty))
    assert nasty.encode() not in line
    assert json.loads(line)["name"] == nasty


def test_a_text_that_is_too_long_is_cut() -> None:
    line = line_of(Record(TIME, "m", Kind.LOOK_UP, Event.FAILED, name="x" * 10_000))
    assert json.loads(line)["name"] == "x" * LONGEST_TEXT + "..."


def test_what_was_lost_has_a_line() -> None:
    assert json.loads(lost_line(TIME, "m", 7)) == {
        "time": TIME,
        "machine": "m",
        "event": "lost",
        "count": 7,
    }
