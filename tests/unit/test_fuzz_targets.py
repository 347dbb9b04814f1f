"""The fuzz targets hold on what they begin from; `make fuzz` goes on from there."""

from __future__ import annotations

import importlib
import sys

import pytest

from tests.fuzz import TARGETS

pytestmark = pytest.mark.unit


@pytest.mark.parametrize("name", TARGETS)
def test_seeds_and_their_beginnings_hold(name: str) -> None:
    if (name, sys.platform) == ("channel_spec", "win32"):
        pytest.skip("its seeds are channels of Linux")
    target = importlib.import_module(f"tests.fuzz.{name}")
    assert target.SEEDS
    for seed in target.SEEDS:
        for size in range(len(seed) + 1):
            target.run(seed[:size])
