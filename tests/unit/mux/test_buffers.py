"""The pool of stream buffers; the ring against the simplest thing that does the same."""

from __future__ import annotations

from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vsocks.errors import BusyError
from vsocks.mux.buffers import (
    READ_SIZE,
    RESERVED,
    CommonPool,
    Pool,
    Ring,
    StreamBuffers,
    share_out,
)

pytestmark = pytest.mark.unit

WINDOW = 4096


def test_each_slot_has_room_for_a_read_and_for_a_window() -> None:
    pool = Pool(3, WINDOW)
    assert pool.size == 3
    assert pool.bytes == 3 * (READ_SIZE + WINDOW)
    for slot in [pool.take() for _ in range(3)]:
        assert len(slot.outbound) == READ_SIZE
        assert slot.inbound.room == WINDOW
        assert memoryview(slot.outbound.obj).nbytes == pool.bytes  # all are in one piece


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


def test_who_has_a_share_leaves_the_rest_to_others() -> None:
    clients, pool = share_out(3, WINDOW, with_host=True)
    taken = [clients.take() for _ in range(3)]
    assert (clients.free, clients.size, pool.free) == (0, 3, RESERVED)
    with pytest.raises(BusyError):
        clients.take()
    others = [pool.take() for _ in range(RESERVED)]
    clients.give_back(taken.pop())
    assert clients.free == 1
    pool.take()
    assert clients.free == 0
    with pytest.raises(BusyError):
        clients.take()
    pool.give_back(others.pop())
    assert clients.take()


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


STEPS = st.lists(
    st.tuples(st.sampled_from(["put", "put", "drop", "clear"]), st.integers(0, 9)), max_size=60
)


def ring_of(size: int) -> Ring:
    return Ring(memoryview(bytearray(size)))


@given(st.integers(1, 20), STEPS)
def test_it_does_what_a_bytearray_does(size: int, steps: list[tuple[str, int]]) -> None:
    ring, model, counter = ring_of(size), bytearray(), count(1)
    for step, number in steps:
        if step == "put":
            data = bytes(next(counter) & 0xFF for _ in range(number))
            if len(model) + number <= size:
                ring.put(memoryview(data))
                model += data
            else:
                with pytest.raises(BufferError):
                    ring.put(memoryview(data))
        elif step == "drop":
            ring.drop(min(number, len(model)))
            del model[:number]
        elif number == 9:
            ring.clear()
            model.clear()
        assert len(ring) == len(model)
        assert ring.room == size - len(model)
        assert model.startswith(ring.peek())
        assert bool(ring.peek()) == bool(model)
    assert emptied(ring) == model


def emptied(ring: Ring) -> bytes:
    """All that is in the ring; two looks are enough, for it wraps once at most."""
    parts = []
    for _ in range(2):
        parts.append(bytes(ring.peek()))
        ring.drop(len(parts[-1]))
    return b"".join(parts)


def test_what_does_not_fit_changes_nothing() -> None:
    ring = ring_of(8)
    ring.put(memoryview(b"abcdef"))
    with pytest.raises(BufferError, match="3 bytes for a ring with room for 2"):
        ring.put(memoryview(b"ghi"))
    ring.put(memoryview(b"gh"))
    assert bytes(ring.peek()) == b"abcdefgh"


def test_an_empty_ring_gives_all_of_its_memory_in_one_piece() -> None:
    ring = ring_of(8)
    ring.put(memoryview(b"abcde"))
    ring.drop(5)
    ring.put(memoryview(b"12345678"))
    assert bytes(ring.peek()) == b"12345678"


def test_it_keeps_to_its_own_memory() -> None:
    memory = bytearray(b"<" + bytes(4) + b">")
    ring = Ring(memoryview(memory)[1:5])
    for _ in range(7):
        ring.put(memoryview(b"xyz"))
        assert emptied(ring) == b"xyz"
    assert (memory[0], memory[5]) == (ord("<"), ord(">"))


def test_a_machine_can_not_spend_what_is_anothers() -> None:
    common = CommonPool(16, WINDOW, machines=4)
    greedy, modest = common.part(100), common.part(100)
    assert common.least == 2
    taken = [greedy.take() for _ in range(greedy.free)]
    # Its own two, and the eight that are over; all others are for machines that may yet come.
    assert len(taken) == 10
    with pytest.raises(BusyError):
        greedy.take()
    assert modest.free == 2
    its = [modest.take(), modest.take()]
    with pytest.raises(BusyError):
        modest.take()
    # What the one gives back beyond its own is for both.
    greedy.give_back(taken.pop())
    assert (greedy.free, modest.free) == (1, 1)
    its.append(modest.take())
    assert (greedy.free, modest.free) == (0, 0)
    for buffers in its:
        modest.give_back(buffers)
    for buffers in taken:
        greedy.give_back(buffers)
    assert (greedy.free, modest.free, common.pool.free) == (10, 10, 16)


def test_a_part_has_its_own_bound() -> None:
    part = CommonPool(16, WINDOW, machines=1).part(3)
    assert (part.size, part.free) == (3, 3)
    for _ in range(3):
        part.take()
    with pytest.raises(BusyError):
        part.take()


@given(st.lists(st.tuples(st.integers(0, 2), st.booleans()), max_size=80))
def test_every_machine_has_its_least_whatever_the_others_do(steps: list[tuple[int, bool]]) -> None:
    common = CommonPool(12, 1024, machines=3)
    parts = [common.part(12) for _ in range(3)]
    taken: list[list[StreamBuffers]] = [[], [], []]
    for number, takes in steps:
        part = parts[number]
        if not takes and taken[number]:
            part.give_back(taken[number].pop())
        elif takes and part.free:
            taken[number].append(part.take())
        assert sum(map(len, taken)) + common.pool.free == 12
        for each, held in zip(parts, taken, strict=True):
            assert len(held) + each.free >= common.least
            assert each.free <= common.pool.free


def test_a_pool_is_allocated_as_far_as_it_is_needed() -> None:
    pool = Pool(5, 1024, at_once=2)
    taken = [pool.take() for _ in range(5)]
    assert pool.free == 0
    with pytest.raises(BusyError):
        pool.take()
    addresses = {id(each.outbound.obj) for each in taken}
    assert len(addresses) == 3
    for buffers in taken:
        pool.give_back(buffers)
    assert pool.free == 5
