"""What is printed at the end of a run with machines, and how its time is counted."""

from __future__ import annotations

import pytest

from harness.stopwatch import take, timed
from harness.testing.summary import Row, table, where_time_went

pytestmark = pytest.mark.unit


def test_tests_of_one_guest_stand_together() -> None:
    rows = [
        Row("test_a", "Linux", "passed", 1.25, "9 MB/s"),
        Row("test_b", "exe under Wine", "failed", 20.0, ""),
        Row("test_long", "Linux", "passed", 0.0, ""),
    ]
    assert list(table(rows)) == [
        "test       guest           result   time     figures",
        "test_a     Linux           passed     1.2 s  9 MB/s",
        "test_long  Linux           passed     0.0 s",
        "test_b     exe under Wine  failed    20.0 s",
    ]


def test_the_longest_is_named_first_and_the_rest_last() -> None:
    spent = {"SSH": 0.5, "tests": 2.0, "image": 0.01}
    assert where_time_went(spent, 10.01) == "10.0 s: tests 2.0, SSH 0.5, else 7.5"


def test_what_is_timed_within_counts_once() -> None:
    take()
    with timed("outer"), timed("inner"):
        pass
    with timed("inner"):
        pass
    spent = take()
    assert list(spent) == ["inner", "outer"]
    assert all(seconds >= 0 for seconds in spent.values())
    assert take() == {}


def test_a_block_that_fails_has_taken_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter([0.0, 1.0, 4.0, 9.0])
    monkeypatch.setattr("time.monotonic", lambda: next(now))
    take()
    with pytest.raises(ValueError, match="no"), timed("outer"), timed("inner"):
        raise ValueError("no")
    assert take() == {"inner": 3.0, "outer": 6.0}
