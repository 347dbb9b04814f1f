"""The pool of stream buffers."""

from __future__ import annotations

import pytest

from vsocks.errors import BusyError
from vsocks.mux.pool import READ_SIZE, Pool

pytestmark = pytest.mark.unit

WINDOW = 4096


def test_each_slot_has_room_for_a_read_and_for_a_window() -> None:
    pool = Pool(3, WINDOW)
    assert pool.size == 3
    for slot in [pool.take() for _ in range(3)]:
        assert len(slot.outbound) == READ_SIZE
        assert slot.inbound.room == WINDOW


def test_all_slots_can_be_taken_and_not_one_more() -> None:
    pool = Pool(3, WINDOW)
    slots = [pool.take() for _ in range(3)]
    for _ in range(2):
        with pytest.raises(BusyError):
            pool.take()
    pool.give_back(slots[1])
    assert pool.take() is slots[1]
    with pytest.raises(BusyError):
        pool.take()


def test_the_slots_share_no_memory() -> None:
    pool = Pool(3, WINDOW)
    slots = [pool.take() for _ in range(3)]
    for mark, slot in enumerate(slots, start=1):
        slot.outbound[:] = bytes([mark]) * READ_SIZE
        slot.inbound.put(memoryview(bytes([16 * mark]) * WINDOW))
    for mark, slot in enumerate(slots, start=1):
        assert slot.outbound == bytes([mark]) * READ_SIZE
        assert slot.inbound.peek() == bytes([16 * mark]) * WINDOW


def test_the_last_one_given_back_is_the_next_one_taken() -> None:
    """So that memory which was never touched stays so."""
    pool = Pool(64, WINDOW)
    used: set[int] = set()
    for _ in range(200):
        slots = [pool.take(), pool.take()]
        used.update(map(id, slots))
        for slot in slots:
            pool.give_back(slot)
    assert len(used) == 2


def test_a_slot_that_was_given_back_is_empty() -> None:
    pool = Pool(1, WINDOW)
    slot = pool.take()
    slot.inbound.put(memoryview(b"of the stream before"))
    slot.inbound.drop(3)
    pool.give_back(slot)
    again = pool.take()
    assert len(again.inbound) == 0
    assert again.inbound.room == WINDOW
    assert not again.inbound.peek()
