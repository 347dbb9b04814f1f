"""Waiting for a line: success, failure beside it, the source's end, the deadline."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.transcript import Pump, Transcript, WaitError

pytestmark = pytest.mark.unit


def transcript(text: str, *failing: str) -> Transcript:
    result = Transcript("it", failing)
    result.feed(text.encode())
    return result


def test_the_first_line_that_matches_is_found() -> None:
    line = transcript("boot\nready 1\nready 2\n").wait("ready", timeout=0)
    assert (line.number, line.text) == (1, "ready 1")


def test_lines_before_the_mark_do_not_count() -> None:
    it = transcript("ready 1\n")
    mark = it.mark()
    it.feed(b"ready 2\n")
    assert it.wait("ready", timeout=0, after=mark).text == "ready 2"


def test_a_line_without_its_end_is_not_a_line_yet() -> None:
    it = transcript("rea")
    with pytest.raises(WaitError, match="not within 0 s"):
        it.wait("rea", timeout=0)
    it.feed(b"dy\r\n")
    assert it.wait("rea", timeout=0).text == "ready"


def test_what_comes_first_decides_between_success_and_failure() -> None:
    with pytest.raises(WaitError, match="it said 'Kernel panic'"):
        transcript("Kernel panic\nready\n", "panic").wait("ready", timeout=0)
    assert transcript("ready\nKernel panic\n", "panic").wait("ready", timeout=0).text == "ready"


def test_an_ended_source_is_not_waited_for() -> None:
    it = transcript("one\ntwo")
    it.end("killed")
    with pytest.raises(WaitError, match=r"it has ended \(killed\)(?s:.*)two"):
        it.wait("three", timeout=3600)
    assert it.wait("two", timeout=0).text == "two"


def test_a_waiting_thread_is_woken() -> None:
    it = Transcript("it")
    threading.Timer(0.01, it.feed, [b"now\n"]).start()
    assert it.wait("now", timeout=10).text == "now"


@given(st.text(st.characters(blacklist_characters="\r", codec="utf-8")), st.data())
def test_chunks_make_no_difference(text: str, data: st.DataObject) -> None:
    raw = text.encode()
    whole, pieces = transcript(text), Transcript("it")
    while raw:
        size = data.draw(st.integers(1, len(raw)))
        pieces.feed(raw[:size])
        raw = raw[size:]
    assert pieces.text() == whole.text()
    assert pieces.mark() == text.count("\n")


def test_a_pump_keeps_the_log_and_tells_the_end(tmp_path: Path) -> None:
    ours, theirs = os.pipe()
    it = Transcript("it")
    pump = Pump(ours, it, tmp_path / "log")
    os.write(theirs, b"hello\nwor")
    assert it.wait("hello", timeout=10).number == 0
    os.write(theirs, b"ld")
    os.close(theirs)
    pump.close()
    assert it.wait("world", timeout=0).number == 1
    assert (tmp_path / "log").read_bytes() == b"hello\nworld"
