"""How much may be on its way: the limit, and what it is fitted to."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vsocks.errors import ProtocolError
from vsocks.protocol.flow import MAX_LIMIT, MAX_WAIT, MIN_LIMIT, Flight

pytestmark = pytest.mark.unit

#: The shortest delay of the channel, and how long bytes may wait beyond it.
QUICK = 0.001
MOST = MAX_WAIT + QUICK
NEITHER = QUICK + MOST * 3 / 4
SLOW = QUICK + MOST * 4


def known_channel() -> Flight:
    """A flight that has seen how quick the channel can be."""
    flight = Flight()
    round_trips(flight, QUICK, times=1)
    return flight


def round_trips(flight: Flight, delay: float, times: int) -> None:
    """Fill the channel, let it take ``delay`` seconds, and have all of it acknowledged."""
    now = 0.0
    for _ in range(times):
        size = flight.room
        flight.sent(size, now)
        now += delay
        flight.acked(size, now)


def test_sent_bytes_take_room_until_they_are_acknowledged() -> None:
    flight = known_channel()
    limit = flight.limit
    flight.sent(1000, 0.0)
    flight.sent(500, 0.0)
    assert (flight.unacked, flight.room) == (1500, limit - 1500)
    flight.acked(1200, NEITHER)
    assert (flight.unacked, flight.room) == (300, limit - 300)


def test_there_is_never_less_than_no_room() -> None:
    """Control messages don't wait for room, so more may be on its way than the limit."""
    flight = Flight()
    flight.sent(flight.limit + 5000, 0.0)
    assert flight.room == 0


def test_more_than_was_sent_can_not_be_acknowledged() -> None:
    flight = Flight()
    flight.sent(1000, 0.0)
    flight.acked(600, 0.0)
    with pytest.raises(ProtocolError, match="401 bytes acknowledged, only 400"):
        flight.acked(401, 0.0)


def test_the_limit_grows_on_a_quick_channel() -> None:
    flight = Flight(MIN_LIMIT, 100 * MIN_LIMIT)
    before = flight.limit
    round_trips(flight, QUICK, times=1)
    first = flight.limit
    assert first > before
    round_trips(flight, QUICK, times=50)
    assert first < flight.limit == 100 * MIN_LIMIT


def test_the_limit_shrinks_when_bytes_queue_and_recovers() -> None:
    flight = known_channel()
    before = flight.limit
    round_trips(flight, SLOW, times=1)
    assert MIN_LIMIT < flight.limit < before
    round_trips(flight, SLOW, times=50)
    assert flight.limit == MIN_LIMIT
    round_trips(flight, QUICK, times=50)
    assert flight.limit == MAX_LIMIT


def test_the_limit_stays_where_the_delay_is_right() -> None:
    flight = known_channel()
    before = flight.limit
    round_trips(flight, NEITHER, times=20)
    assert flight.limit == before


def test_a_long_way_is_no_queue() -> None:
    """A slow machine at the other end answers late, however little is under way."""
    flight = Flight()
    round_trips(flight, SLOW, times=50)
    assert flight.limit == MAX_LIMIT


@given(
    st.integers(256, 100_000),
    st.integers(0, 1_000_000),
    st.lists(st.tuples(st.integers(0, 50_000), st.floats(0, 0.01)), max_size=60),
)
def test_the_limit_keeps_within_its_bounds(
    low: int, spread: int, steps: list[tuple[int, float]]
) -> None:
    flight, now = Flight(low, low + spread), 0.0
    for size, passed in steps:
        flight.sent(size, now)
        now += passed
        flight.acked(flight.unacked // 2, now)
        assert low <= flight.limit <= low + spread
