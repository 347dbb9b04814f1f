"""The first failed boot fails its test; the tests after it are skipped with its reason."""

from __future__ import annotations

import pytest

from harness.testing.boot_gate import BootGate

pytestmark = pytest.mark.unit


def test_boots_pass_until_one_fails() -> None:
    gate = BootGate()
    for _ in range(2):
        with gate:
            pass
    with pytest.raises(RuntimeError, match="no bios"), gate:
        raise RuntimeError("no bios\nand more")
    with pytest.raises(pytest.skip.Exception, match=r"RuntimeError: no bios\)"), gate:
        pytest.fail("a machine was tried")
