"""How fast bytes move, by what was told twice."""

from __future__ import annotations

import pytest

from vsocks.cli.rates import Rates
from vsocks.control.messages import Connection, Daemon, Machine

pytestmark = pytest.mark.unit


def machine(sent: int, received: int, name: str = "a") -> Machine:
    return Machine(name, "unix:/a", True, 1.0, 1, sent, received)


def connection(number: int, sent: int, received: int) -> Connection:
    return Connection(number, "a", "c1", "connect", "x:80", "x:80", None, True, sent, received, 1.0)


def test_a_rate_is_a_difference_by_time() -> None:
    rates = Rates()
    first = rates.add([Daemon("1", 1, 1.0), machine(100, 50), connection(7, 1, 2)], 10.0)
    assert [(each.sent, each.received) for each in first] == [(0, 0), (0, 0)]
    second = rates.add([machine(300, 50), connection(7, 1, 12), connection(8, 999, 0)], 12.0)
    assert [(each.sent, each.received) for each in second] == [(100, 0), (0, 5), (0, 0)]
    assert second[0].item == machine(300, 50)


def test_what_begins_anew_has_no_rate_below_zero() -> None:
    rates = Rates()
    rates.add([machine(300, 10)], 10.0)
    [again] = rates.add([machine(5, 20)], 11.0)
    assert (again.sent, again.received) == (0, 10)


def test_what_has_gone_is_not_kept() -> None:
    rates = Rates()
    rates.add([machine(300, 10)], 10.0)
    rates.add([], 11.0)
    [again] = rates.add([machine(400, 10)], 12.0)
    assert again.sent == 0
