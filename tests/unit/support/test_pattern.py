"""The data that proves itself does notice."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.pattern import Checker, pattern

pytestmark = pytest.mark.unit

STREAMS = st.integers(0, 2**24 - 1)


@given(STREAMS, st.lists(st.integers(0, 100), max_size=20))
def test_any_cutting_of_the_right_data_is_right(stream: int, sizes: list[int]) -> None:
    checker = Checker(stream)
    for size in sizes:
        checker.take(pattern(stream, checker.received, size))
    assert not checker.wrong
    assert checker.received == sum(sizes)


@given(STREAMS, st.integers(1, 200), st.data())
def test_one_changed_byte_is_noticed(stream: int, size: int, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, size - 1))
    change = data.draw(st.integers(1, 255))
    damaged = bytearray(pattern(stream, 0, size))
    damaged[at] ^= change
    checker = Checker(stream)
    checker.take(bytes(damaged))
    assert f"stream {stream}, offset {at}:" in checker.wrong


@given(STREAMS, STREAMS.filter(bool), st.integers(0, 2**20).map(lambda word: word * 8))
def test_data_of_another_stream_or_place_is_noticed(one: int, by: int, offset: int) -> None:
    data = pattern(one, offset, 8)
    other = (one + by) % 2**24
    assert data != pattern(other, offset, 8)
    assert data != pattern(one, offset + 8, 8)
