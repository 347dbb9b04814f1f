"""Entries of the journal: whole, harmless, bounded, and the same as the lines of a file."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vsocks.audit.journal import entry_of
from vsocks.audit.record import LONGEST_TEXT, Event, Kind, Record, line_of, lost_line

pytestmark = pytest.mark.unit

DENIED = Record(
    time="2026-01-02T03:04:05.678+00:00",
    machine="lab",
    kind=Kind.CONNECT,
    event=Event.FAILED,
    name="c2.evil.test",
    port=443,
    allowed=False,
    rule="deny *.evil.test",
    end="denied",
)
texts = st.text(st.characters(exclude_categories=[]))


def read(entry: bytes) -> dict[str, str]:
    """The fields, of the form that is all we need: NAME=value."""
    assert entry.endswith(b"\n")
    pairs = [line.split("=", 1) for line in entry.decode("ascii").removesuffix("\n").split("\n")]
    names = [name for name, _ in pairs]
    assert len(set(names)) == len(names)
    return dict(pairs)


def test_an_entry_has_the_line_and_its_fields() -> None:
    line = line_of(DENIED)
    assert read(entry_of(line)) == {
        "MESSAGE": line.decode().strip(),
        "PRIORITY": "5",
        "SYSLOG_IDENTIFIER": "vsocks-audit",
        "VSOCKS_TIME": "2026-01-02T03:04:05.678+00:00",
        "VSOCKS_MACHINE": "lab",
        "VSOCKS_KIND": "connect",
        "VSOCKS_EVENT": "failed",
        "VSOCKS_NAME": "c2.evil.test",
        "VSOCKS_PORT": "443",
        "VSOCKS_ALLOWED": "false",
        "VSOCKS_RULE": "deny *.evil.test",
        "VSOCKS_SENT": "0",
        "VSOCKS_RECEIVED": "0",
        "VSOCKS_END": "denied",
        "VSOCKS_COUNT": "1",
    }


def test_what_was_allowed_is_less_and_what_was_lost_is_more() -> None:
    assert read(entry_of(line_of(Record("t", "m", Kind.DNS, Event.ANSWERED))))["PRIORITY"] == "6"
    lost = read(entry_of(lost_line("t", "m", 7)))
    assert (lost["PRIORITY"], lost["VSOCKS_COUNT"]) == ("4", "7")


@given(texts, texts, texts)
def test_no_text_of_a_guest_makes_a_field_or_is_raw(name: str, machine: str, end: str) -> None:
    record = Record("t", machine, Kind.CONNECT, Event.END, name=name, end=end)
    entry = entry_of(line_of(record))
    assert all(byte == 0x0A or 0x20 <= byte < 0x7F for byte in entry)
    told = read(entry)
    assert told.keys() == read(entry_of(line_of(DENIED))).keys() - {"VSOCKS_RULE", "VSOCKS_PORT"}
    assert json.loads(f'"{told["VSOCKS_NAME"]}"') == json.loads(told["MESSAGE"])["name"]


def test_the_longest_entry_is_far_below_what_a_datagram_may_have() -> None:
    """212,992 bytes, less a little, is what Linux has everywhere."""
    longest = "\N{BRAIN}" * (LONGEST_TEXT + 1)
    values: dict[str, Any] = {
        field.name: longest for field in fields(Record) if field.type in ("str", "str | None")
    }
    numbers = {"port": 1 << 64, "sent": 1 << 64, "received": 1 << 64, "count": 1 << 64}
    record = Record(kind=Kind.DNS, event=Event.FAILED, **values, **numbers)  # type: ignore[arg-type]
    assert 30_000 < len(entry_of(line_of(record))) < 150_000
