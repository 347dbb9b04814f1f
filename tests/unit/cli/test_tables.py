"""What people are shown of a daemon's answer."""

from __future__ import annotations

import pytest

from vsocks.cli.tables import for_people, lines_of, size
from vsocks.control.messages import (
    Connection,
    Daemon,
    Forward,
    Judgement,
    Machine,
    MetricsText,
)

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (1536, "1.5 KiB"),
        (102400, "100 KiB"),
        (1 << 20, "1.0 MiB"),
        (1 << 40, "1.0 TiB"),
        (1 << 60, "1048576 TiB"),
    ],
)
def test_sizes(count: int, text: str) -> None:
    assert size(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.9, "0s"),
        (59.9, "59s"),
        (60, "1m00s"),
        (3599, "59m59s"),
        (3600, "1h00m"),
        (86399, "23h59m"),
        (90000, "1d01h"),
    ],
)
def test_times(seconds: float, text: str) -> None:
    assert for_people(seconds) == text


def test_columns_are_as_wide_as_they_must_be() -> None:
    machines = [
        Machine("a", "unix:/a", True, 61.0, 3, 2048, 5),
        Machine("longer", "unix:/b", True, None, 0, 0, 0),
        Machine("off", "unix:/c", False, None, 0, 0, 0),
    ]
    assert list(lines_of([Daemon("0.2.0", 7, 3.0), *machines])) == [
        "vsocks 0.2.0, process 7, for 3s",
        "MACHINE  SESSION     CONNECTIONS  SENT     RECEIVED",
        "a        1m01s       3            2.0 KiB  5 B",
        "longer   none yet    0            0 B      0 B",
        "off      no channel  0            0 B      0 B",
    ]


def test_a_connection_that_is_being_made() -> None:
    made = Connection(7, "a", "c1", "connect", "x:80", None, None, False, 0, 0, 1.0)
    came = Connection(8, "a", "h1", "forward", "y:22", "y:22", "z:9", True, 0, 0, 1.0)
    datagrams = Connection(9, "a", "a1", "association", None, None, None, True, 0, 0, 1.0)
    _, first, second, third = (line.split("  ") for line in lines_of([made, came, datagrams]))
    cells = [[cell.strip() for cell in line if cell] for line in (first, second, third)]
    assert cells[0][4:6] == ["x:80", "connecting"]
    assert cells[1][4:6] == ["y:22 for z:9", "y:22"]
    assert cells[2][4:6] == ["-", "-"]


def test_other_lines() -> None:
    assert list(lines_of([])) == []
    assert list(lines_of([MetricsText("a 1\nb 2\n"), MetricsText("c 3\n")])) == ["a 1\nb 2", "c 3"]
    assert list(lines_of([Forward("a", "h:1", "g:2")]))[1].split() == ["a", "h:1", "g:2"]
    whole = Judgement("a", "x.test", None, 80, False, "deny *.test")
    assert "x.test, whatever its address" in list(lines_of([whole]))[1]


def test_nothing_that_a_terminal_obeys_is_shown() -> None:
    [_, line] = lines_of([Forward("a", "\x1b[2J", "g")])
    assert line.isprintable()
