"""The ring buffer against the simplest thing that does the same."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vsocks.ring import Ring

pytestmark = pytest.mark.unit

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.binary(max_size=24)),
        st.tuples(st.just("drop"), st.integers(0, 24)),
        st.tuples(st.just("clear"), st.none()),
    ),
    max_size=60,
)


def ring_of(size: int) -> Ring:
    return Ring(memoryview(bytearray(size)))


@given(st.integers(1, 20), STEPS)
def test_it_does_what_a_bytearray_does(size: int, steps: list[tuple[str, object]]) -> None:
    ring, model = ring_of(size), bytearray()
    for step in steps:
        match step:
            case "put", bytes(data) if len(model) + len(data) <= size:
                ring.put(memoryview(data))
                model += data
            case "put", bytes(data):
                with pytest.raises(BufferError):
                    ring.put(memoryview(data))
            case "drop", int(count):
                count = min(count, len(model))
                ring.drop(count)
                del model[:count]
            case _:
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
