"""Rates from look to look."""

from __future__ import annotations

from collections.abc import Hashable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vsocks.proxy.rates import Passed, Rates

pytestmark = pytest.mark.unit


def test_the_first_look_has_the_rate_since_the_begin() -> None:
    assert Rates().look({"c1": Passed(100, 2000, began=10)}, now=20) == {"c1": (10, 200)}


def test_the_next_look_has_the_rate_since_the_one_before() -> None:
    rates = Rates()
    rates.look({"c1": Passed(100, 0, began=0)}, now=10)
    assert rates.look({"c1": Passed(150, 30, began=0)}, now=15) == {"c1": (10, 6)}
    assert rates.look({"c1": Passed(150, 30, began=0)}, now=20) == {"c1": (0, 0)}


def test_who_looks_again_at_once_sees_the_same() -> None:
    rates = Rates()
    rates.look({"c1": Passed(0, 0, began=0)}, now=10)
    rates.look({"c1": Passed(500, 0, began=0)}, now=15)
    for _ in range(3):
        assert rates.look({"c1": Passed(500, 0, began=0)}, now=15.1)["c1"][0] == pytest.approx(
            500 / 5.1
        )


def test_what_began_since_has_its_own_time() -> None:
    rates = Rates()
    rates.look({}, now=10)
    looked = rates.look({"c1": Passed(80, 0, began=16), "c2": Passed(7, 0, began=19.99)}, now=20)
    assert looked == {"c1": (20, 0), "c2": (7, 0)}, "nothing is measured over less than a second"


counts = st.builds(Passed, st.integers(0, 1 << 60), st.integers(0, 1 << 60), st.floats(0, 1e9))


@given(st.lists(st.tuples(st.floats(0, 1e6), st.dictionaries(st.sampled_from("abc"), counts))))
def test_no_rate_is_below_zero_and_nothing_is_left_out(
    looks: list[tuple[float, dict[Hashable, Passed]]],
) -> None:
    rates, now = Rates(), 0.0
    for pause, passed in looks:
        now += pause
        looked = rates.look(passed, now)
        assert looked.keys() == passed.keys()
        assert all(rate >= 0 for pair in looked.values() for rate in pair)
