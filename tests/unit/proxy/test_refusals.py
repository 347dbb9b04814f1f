"""What is remembered of refusals: the last ones, whatever floods there are."""

from __future__ import annotations

import pytest

from vsocks.proxy.refusals import Refusal, Refusals

pytestmark = pytest.mark.unit


def test_the_latest_comes_first_and_has_its_age() -> None:
    refusals = Refusals()
    refusals.add("SOCKS5", "a:1", "why", 10.0)
    refusals.add("HTTP", "b:2", "so", 12.0)
    assert refusals.latest(15.0) == [
        (Refusal("HTTP", "b:2", "so"), 1, 3.0),
        (Refusal("SOCKS5", "a:1", "why"), 1, 5.0),
    ]


def test_the_same_again_is_counted_and_is_the_latest() -> None:
    refusals = Refusals()
    for when, target in enumerate(["a", "b", "a", "a"]):
        refusals.add("SOCKS5", target, "why", when)
    told = [(refusal.target, count, age) for refusal, count, age in refusals.latest(3)]
    assert told == [("a", 3, 0), ("b", 1, 2)]


def test_no_more_are_kept_than_there_is_room_for() -> None:
    refusals = Refusals(most=3)
    for number in range(1000):
        refusals.add("SOCKS5", str(number), "why", number)
    assert [refusal.target for refusal, *_ in refusals.latest(1000)] == ["999", "998", "997"]
