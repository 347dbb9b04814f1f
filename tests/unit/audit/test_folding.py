"""Folding: few lines, and counts that add up whatever happens."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vsocks.audit.folding import Folding
from vsocks.audit.record import Event, Kind, Record

pytestmark = pytest.mark.unit

DENIED = Record(
    "t0", "m", Kind.CONNECT, Event.FAILED, name="evil.test", port=443, allowed=False, rule="deny *"
)


def test_the_first_is_written_at_once_and_the_others_are_counted() -> None:
    folding = Folding(seconds=10)
    assert folding.add(DENIED, 0.0) == [DENIED]
    for at in range(1, 500):
        assert folding.add(replace(DENIED, time=f"t{at}", number=str(at)), at / 100) == []
    assert folding.due(9.9) == []
    [folded] = folding.due(10.0)
    assert (folded.count, folded.since, folded.time, folded.number) == (499, "t1", "t499", None)
    assert (folded.name, folded.port, folded.rule) == ("evil.test", 443, "deny *")
    assert folding.due_at is None


def test_one_that_comes_once_has_no_second_line() -> None:
    folding = Folding(seconds=10)
    folding.add(DENIED, 0.0)
    assert folding.due(10.0) == []
    assert folding.add(DENIED, 10.0) == [DENIED]


def test_what_is_counted_is_written_before_the_next_of_another_kind() -> None:
    folding = Folding(seconds=10)
    folding.add(DENIED, 0.0)
    folding.add(DENIED, 1.0)
    other = replace(DENIED, name="other.test")
    assert folding.add(other, 11.0) == [DENIED, other]


@pytest.mark.parametrize("kind", [Kind.CONNECT, Kind.BIND, Kind.FORWARD, Kind.ASSOCIATION])
@pytest.mark.parametrize("event", [Event.BEGIN, Event.END])
def test_a_connection_that_stood_is_never_folded(kind: Kind, event: Event) -> None:
    folding = Folding(rate=1, burst=1)
    record = replace(DENIED, kind=kind, event=event)
    assert [folding.add(record, 0.0) for _ in range(50)] == [[record]] * 50


def test_bytes_are_added() -> None:
    folding = Folding(seconds=1)
    exchange = replace(DENIED, kind=Kind.DATAGRAMS, event=Event.END, sent=3, received=5)
    for _ in range(4):
        folding.add(exchange, 0.0)
    [folded] = folding.rest()
    assert (folded.count, folded.sent, folded.received) == (3, 9, 15)


def test_beyond_a_rate_different_ones_are_folded_without_their_targets() -> None:
    folding = Folding(rate=1, burst=10)
    written = [
        record
        for at in range(1000)
        for record in folding.add(replace(DENIED, name=f"{at}.test"), 0.0)
    ]
    assert [record.name for record in written[:10]] == [f"{at}.test" for at in range(10)]
    rest = written[10:] + folding.rest()
    assert {(record.name, record.port, record.rule) for record in rest} == {(None, None, "deny *")}
    assert len(rest) == 2
    assert sum(record.count for record in rest) == 990


def test_the_table_is_bounded_and_the_oldest_is_written() -> None:
    folding = Folding(most=2, seconds=10, burst=10_000)
    folding.add(DENIED, 0.0)
    folding.add(DENIED, 0.0)
    folding.add(replace(DENIED, name="b"), 1.0)
    written = folding.add(replace(DENIED, name="c"), 2.0)
    assert [(record.name, record.count) for record in written] == [("evil.test", 1), ("c", 1)]


@given(
    st.lists(st.tuples(st.integers(0, 20), st.integers(1, 3), st.floats(0, 5)), max_size=200),
    st.integers(1, 5),
    st.integers(1, 10),
)
def test_the_counts_add_up_whatever_comes(
    steps: list[tuple[int, int, float]], most: int, burst: int
) -> None:
    folding, now = Folding(most=most, seconds=3, rate=1, burst=burst), 0.0
    written: list[Record] = []
    for name, count, later in steps:
        now += later
        written += folding.add(replace(DENIED, name=str(name), count=count, sent=count), now)
        written += folding.due(now)
    written += folding.rest()
    expected = sum(count for _, count, _ in steps)
    assert sum(record.count for record in written) == expected
    assert sum(record.sent for record in written) == expected
