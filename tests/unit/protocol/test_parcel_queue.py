"""Parcels that wait: few, not for long, and in order."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vsocks.address import Target
from vsocks.protocol.parcel_queue import DATAGRAM_BYTES, MAX_AGE, TOTAL_BYTES, ParcelQueue
from vsocks.protocol.parcels import (
    Ask,
    Associate,
    Associated,
    Datagram,
    Dissociate,
    Parcel,
    Tell,
    encode_parcel,
)

pytestmark = pytest.mark.unit

LONGEST = 4088
ADDRESS = Target("192.0.2.53", 53)
#: The bytes of a datagram to ADDRESS beside its data.
HEAD = len(encode_parcel(Datagram(1, ADDRESS, b"")))
NO_DATAGRAMS = [Associate(1), Associated(1, 0), Dissociate(1), Ask(1, 1, b"a.de"), Tell(1, 0, b"x")]


def datagram(size: int = 100, number: int = 1) -> Datagram:
    return Datagram(number, ADDRESS, number.to_bytes(2, "big").ljust(size, b"-")[:size])


def emptied(parcel_queue: ParcelQueue, now: float) -> list[bytes]:
    taken = []
    while size := parcel_queue.next_size(now):
        taken.append(parcel_queue.take())
        assert len(taken[-1]) == size
    return taken


def filled(parcel_queue: ParcelQueue, parcel: Parcel, now: float = 0.0) -> int:
    """How many of the parcel find room."""
    count = 0
    while parcel_queue.put(parcel, now):
        count += 1
    return count


@given(st.lists(st.sampled_from([*NO_DATAGRAMS, *(datagram(number=n) for n in range(9))])))
def test_what_was_put_first_comes_first(parcels: list[Parcel]) -> None:
    parcel_queue = ParcelQueue(LONGEST)
    assert all(parcel_queue.put(parcel, 0.0) for parcel in parcels)
    assert emptied(parcel_queue, MAX_AGE) == [encode_parcel(parcel) for parcel in parcels]
    assert parcel_queue.dropped == 0


def test_the_bytes_of_a_parcel_are_those_at_the_time_it_was_put() -> None:
    """The daemon reads the next datagram into the same buffer."""
    parcel_queue, buffer = ParcelQueue(LONGEST), bytearray(b"before")
    parcel_queue.put(Datagram(1, ADDRESS, memoryview(buffer)), 0.0)
    buffer[:] = b"behind"
    parcel_queue.next_size(0.0)
    assert parcel_queue.take().endswith(b"before")


def test_an_empty_mailbox_has_nothing() -> None:
    assert ParcelQueue(LONGEST).next_size(0.0) == 0


# -- length --------------------------------------------------------------------------------


@pytest.mark.parametrize("longest", [504, 4088, 65527])
def test_a_parcel_that_no_frame_can_carry_is_dropped(longest: int) -> None:
    parcel_queue = ParcelQueue(longest)
    assert parcel_queue.put(datagram(longest - HEAD), 0.0)
    assert not parcel_queue.put(datagram(longest - HEAD + 1), 0.0)
    assert parcel_queue.dropped == 1
    assert parcel_queue.put(Tell(1, 0, bytes(longest - 6)), 0.0)
    assert not parcel_queue.put(Tell(1, 0, bytes(longest - 5)), 0.0)
    assert parcel_queue.dropped == 1, "only datagrams are counted"
    assert [len(payload) for payload in emptied(parcel_queue, 0.0)] == [longest, longest]


# -- age -----------------------------------------------------------------------------------


def test_a_datagram_that_has_waited_for_too_long_is_dropped_and_counted() -> None:
    parcel_queue = ParcelQueue(LONGEST)
    parcel_queue.put(datagram(number=1), 0.0)
    parcel_queue.put(datagram(number=2), 0.5)
    assert emptied(parcel_queue, MAX_AGE + 0.001) == [encode_parcel(datagram(number=2))]
    assert parcel_queue.dropped == 1


@pytest.mark.parametrize("parcel", NO_DATAGRAMS, ids=lambda parcel: type(parcel).__name__)
def test_what_is_no_datagram_is_never_too_late(parcel: Parcel) -> None:
    parcel_queue = ParcelQueue(LONGEST)
    parcel_queue.put(datagram(), 0.0)
    parcel_queue.put(parcel, 0.0)
    parcel_queue.put(datagram(), 0.0)
    assert emptied(parcel_queue, 1e9) == [encode_parcel(parcel)]
    assert parcel_queue.dropped == 2


def test_datagrams_that_are_too_late_make_room_for_new_ones() -> None:
    """A channel that has stood still for long goes on with what is fresh, not with nothing."""
    parcel_queue = ParcelQueue(LONGEST)
    count = filled(parcel_queue, datagram())
    assert parcel_queue.put(datagram(number=7), 2 * MAX_AGE)
    assert parcel_queue.dropped == count + 1
    assert emptied(parcel_queue, 2 * MAX_AGE) == [encode_parcel(datagram(number=7))]


# -- room ----------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 100, LONGEST - HEAD])
def test_datagrams_find_room_for_so_many_bytes(size: int) -> None:
    parcel_queue = ParcelQueue(LONGEST)
    count = filled(parcel_queue, datagram(size))
    assert count * (size + HEAD) <= DATAGRAM_BYTES < (count + 1) * (size + HEAD + 200)
    assert parcel_queue.dropped == 1
    assert len(emptied(parcel_queue, 0.0)) == count


@pytest.mark.parametrize("parcel", NO_DATAGRAMS, ids=lambda parcel: type(parcel).__name__)
def test_what_is_no_datagram_finds_room_where_a_datagram_finds_none(parcel: Parcel) -> None:
    parcel_queue = ParcelQueue(LONGEST)
    filled(parcel_queue, datagram())
    assert parcel_queue.put(parcel, 0.0)


def test_there_is_a_bound_for_all() -> None:
    parcel_queue = ParcelQueue(LONGEST)
    size = len(encode_parcel(Ask(1, 1, bytes(1000))))
    count = filled(parcel_queue, Ask(1, 1, bytes(1000)))
    assert count * size <= TOTAL_BYTES < (count + 1) * (size + 200)
    assert not parcel_queue.put(datagram(), 0.0)
    assert parcel_queue.dropped == 1


def test_what_was_taken_or_dropped_leaves_its_room() -> None:
    parcel_queue = ParcelQueue(LONGEST)
    count = filled(parcel_queue, datagram())
    for now in range(5):
        assert len(emptied(parcel_queue, now)) == count
        assert filled(parcel_queue, datagram(), now) == count
    assert not emptied(parcel_queue, 99.0)
    assert filled(parcel_queue, datagram(), 99.0) == count


@given(
    st.lists(
        st.tuples(
            st.sampled_from([*NO_DATAGRAMS, datagram(0), datagram(4000), Tell(1, 0, bytes(4000))]),
            st.floats(0, 0.4),
            st.integers(0, 300),
        ),
        max_size=40,
    )
)
def test_at_any_time_no_more_waits_than_there_is_room_for(
    steps: list[tuple[Parcel, float, int]],
) -> None:
    parcel_queue, now, accepted, taken = ParcelQueue(LONGEST), 0.0, 0, 0
    for parcel, seconds, times in steps:
        now += seconds
        accepted += sum(parcel_queue.put(parcel, now) for _ in range(times))
        if parcel_queue.next_size(now) and times % 3:
            parcel_queue.take()
            taken += 1
        waiting = [payload for _, payload in parcel_queue._waiting]
        assert sum(map(len, waiting)) <= TOTAL_BYTES
    assert len(emptied(parcel_queue, now)) <= accepted - taken


@pytest.mark.parametrize("parcel", [datagram(0), datagram(3000), Ask(1, 1, b""), Associate(1)])
def test_the_memory_is_what_it_claims_to_be(parcel: Parcel) -> None:
    parcel_queue = ParcelQueue(LONGEST)
    tracemalloc.start()
    try:
        for _ in range(10_000):
            parcel_queue.put(parcel, 0.0)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1.1 * TOTAL_BYTES
