"""Guesses at passwords take longer and longer, mistakes nothing."""

from __future__ import annotations

import pytest

from vsocks.proxy.guesses import Guesses

pytestmark = pytest.mark.unit


def test_mistakes_cost_nothing_and_guesses_more_and_more() -> None:
    guesses = Guesses()
    waits = [guesses.wait(100.0) for _ in range(200)]
    assert waits[:3] == [0.0, 0.0, 0.0]
    assert waits[3:] == sorted(waits[3:])
    assert 0 < waits[3] < 0.5 < waits[-1] <= 3.0


def test_time_forgives() -> None:
    guesses = Guesses()
    for _ in range(10):
        guesses.wait(0.0)
    assert guesses.wait(1000.0) == 0.0
