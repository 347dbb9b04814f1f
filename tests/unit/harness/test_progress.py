"""The line that shows how far a step is."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.progress import LastTime, drawn

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("fraction", "bar"),
    [
        (None, ""),
        (0.0, "[........................] "),
        (0.25, "[######..................] "),
        (0.99, "[#######################.] "),
        (1.0, "[########################] "),
        (7.0, "[########################] "),
    ],
)
def test_a_bar_where_it_is_known_how_far_it_is(fraction: float | None, bar: str) -> None:
    assert drawn("making it", 12.3, fraction, 80) == f"   {bar} 12 s  making it"


def test_the_line_stays_one_line() -> None:
    assert len(drawn("making it" * 20, 12.3, 0.5, 80)) == 79


def test_how_long_it_took_says_how_far_it_is_the_next_time(tmp_path: Path) -> None:
    memory = tmp_path / "seconds"
    memory.write_text("0.0\n")
    quick = LastTime(memory, 3600)
    memory.write_text("3600\n")
    long = LastTime(memory, 1)
    assert 0 <= long() < 0.5
    quick.remember()
    assert float(memory.read_text()) < 60


@pytest.mark.parametrize("told", [None, "", "nonsense", "-5", "0.0"])
def test_a_memory_that_holds_no_time_does_no_harm(tmp_path: Path, told: str | None) -> None:
    memory = tmp_path / "seconds"
    if told is not None:
        memory.write_text(told)
    assert 0 <= LastTime(memory, 100)() <= 0.99
