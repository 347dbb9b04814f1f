"""The fuzz targets hold on what they begin from; `make fuzz` goes on from there."""

from __future__ import annotations

import importlib
import random
import sys

import pytest

from tests.fuzz import TARGETS

pytestmark = pytest.mark.unit

#: Runs of each target: a second or so, for what only a fuzzer would find otherwise.
MIXTURES = 2000


@pytest.mark.parametrize("name", TARGETS)
def test_seeds_and_their_beginnings_hold(name: str) -> None:
    if (name, sys.platform) == ("channel_spec", "win32"):
        pytest.skip("its seeds are channels of Linux")
    target = importlib.import_module(f"tests.fuzz.{name}")
    assert target.SEEDS
    for seed in target.SEEDS:
        for size in range(len(seed) + 1):
            target.run(seed[:size])


@pytest.mark.parametrize("name", TARGETS)
def test_what_comes_of_mixing_seeds_holds(name: str) -> None:
    if (name, sys.platform) == ("channel_spec", "win32"):
        pytest.skip("its seeds are channels of Linux")
    target = importlib.import_module(f"tests.fuzz.{name}")
    dice = random.Random(name)
    for _ in range(MIXTURES):
        target.run(mixed(dice, dice.choice(target.SEEDS), dice.choice(target.SEEDS)))


def mixed(dice: random.Random, one: bytes, other: bytes) -> bytes:
    """The beginning of one, a few odd bytes, the end of the other."""
    odd = dice.randbytes(dice.randrange(4))
    return one[: dice.randint(0, len(one))] + odd + other[dice.randint(0, len(other)) :]
