"""The token bucket."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vsocks.token_bucket import TokenBucket

pytestmark = pytest.mark.unit


def test_a_burst_and_then_the_rate() -> None:
    rate = TokenBucket(per_second=10, burst=30)
    assert [rate.take(now=5.0) for _ in range(31)] == [True] * 30 + [False]
    assert not rate.take(now=5.05)
    assert rate.take(now=5.125)
    assert not rate.take(now=5.125)


def test_a_rest_earns_no_more_than_the_burst() -> None:
    rate = TokenBucket(per_second=10, burst=2)
    assert rate.take(now=0.0)
    assert [rate.take(now=1000.0) for _ in range(3)] == [True, True, False]


def test_a_clock_that_goes_back_does_no_harm() -> None:
    rate = TokenBucket(per_second=1, burst=2)
    assert rate.take(now=100.0)
    assert rate.take(now=50.0)
    assert not rate.take(now=50.0)
    assert rate.take(now=51.0)


@pytest.mark.parametrize(("per_second", "burst"), [(0, 1), (-1, 1), (1, 0)])
def test_nonsense_is_refused(per_second: float, burst: int) -> None:
    with pytest.raises(ValueError, match="above zero"):
        TokenBucket(per_second, burst)


@given(
    st.integers(1, 50),
    st.integers(1, 20),
    st.lists(st.floats(0, 10), min_size=1, max_size=200).map(sorted),
)
def test_never_more_than_promised(per_second: int, burst: int, times: list[float]) -> None:
    rate = TokenBucket(per_second, burst)
    taken = sum(rate.take(now=now) for now in times)
    # A millionth for rounding.
    assert taken <= burst + per_second * (times[-1] - times[0]) + 1e-6
