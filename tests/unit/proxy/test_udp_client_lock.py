"""Whose datagrams an association takes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.proxy.dialects import ports, targets
from vsocks.address import Target
from vsocks.proxy.udp import ClientLock

pytestmark = pytest.mark.unit

CLIENT = "192.0.2.7"
NOT_TOLD = Target("0.0.0.0", 0)


@pytest.mark.parametrize(
    "said",
    [
        NOT_TOLD,
        Target("::", 0),
        Target(CLIENT, 0),
        Target("client.example", 4000),
        Target("10.0.0.1", 4000),
        Target("203.0.113.9", 53),
    ],
    ids=str,
)
def test_without_a_port_of_its_own_the_first_datagram_tells_it(said: Target) -> None:
    lock = ClientLock(CLIENT, said)
    assert lock.address is None
    assert lock.admits(CLIENT, 5000)
    assert lock.address == (CLIENT, 5000)
    assert lock.admits(CLIENT, 5000)
    assert not lock.admits(CLIENT, 5001)
    assert not lock.admits("192.0.2.8", 5000)
    assert lock.address == (CLIENT, 5000)


@pytest.mark.parametrize(
    "said",
    [
        Target("0.0.0.0", 4000),
        Target("::", 4000),
        Target(CLIENT, 4000),
        Target(f"::ffff:{CLIENT}", 4000),
    ],
    ids=str,
)
def test_a_port_that_was_told_is_the_only_one(said: Target) -> None:
    lock = ClientLock(CLIENT, said)
    assert not lock.admits(CLIENT, 5000)
    assert lock.address is None
    assert lock.admits(CLIENT, 4000)
    assert not lock.admits(CLIENT, 5000)


def test_an_address_in_the_request_lets_nobody_else_in() -> None:
    lock = ClientLock(CLIENT, Target("203.0.113.9", 4000))
    assert not lock.admits("203.0.113.9", 4000)
    assert lock.admits(CLIENT, 4001)


def test_who_is_not_the_client_takes_no_lock() -> None:
    lock = ClientLock(CLIENT, NOT_TOLD)
    assert not lock.admits("192.0.2.8", 5000)
    assert lock.admits(CLIENT, 5001)


@pytest.mark.parametrize(
    ("client", "source"),
    [
        (CLIENT, f"::ffff:{CLIENT}"),
        (f"::ffff:{CLIENT}", CLIENT),
        ("::1", "0:0:0:0:0:0:0:1"),
        ("fe80::1%eth0", "fe80::1%eth0"),
    ],
)
def test_one_address_in_two_spellings_is_the_same(client: str, source: str) -> None:
    lock = ClientLock(client, NOT_TOLD)
    assert lock.admits(source, 5000)
    assert lock.address == (source, 5000)


@pytest.mark.parametrize("source", ["fe80::1", "fe80::1%eth1", "::1", "", "client.example"])
def test_an_address_on_another_link_is_another(source: str) -> None:
    assert not ClientLock("fe80::1%eth0", NOT_TOLD).admits(source, 5000)


addresses = st.sampled_from([CLIENT, "192.0.2.8"]) | st.ip_addresses().map(str)
few_ports = st.integers(1, 3) | ports


@given(
    targets | st.builds(Target, addresses | st.just("0.0.0.0"), few_ports),
    st.lists(st.tuples(addresses, few_ports)),
)
def test_all_that_is_admitted_comes_from_one_place_at_the_clients_address(
    said: Target, datagrams: list[tuple[str, int]]
) -> None:
    lock = ClientLock(CLIENT, said)
    admitted = {source for source in datagrams if lock.admits(*source)}
    assert len(admitted) <= 1
    assert {host for host, _ in admitted} <= {CLIENT}
    assert lock.address == (admitted.pop() if admitted else None)


def test_who_would_be_the_first_is_asked_about_last_and_only_until_there_is_one() -> None:
    asked: list[tuple[str, int]] = []

    def is_known(host: str, port: int) -> bool:
        asked.append((host, port))
        return port == 5000

    lock = ClientLock(CLIENT, NOT_TOLD, is_known)
    assert not lock.admits("203.0.113.9", 5000)
    assert not asked
    assert not lock.admits(CLIENT, 4000)
    assert lock.address is None
    assert lock.admits(CLIENT, 5000)
    assert lock.admits(CLIENT, 5000)
    assert not lock.admits(CLIENT, 4000)
    assert asked == [(CLIENT, 4000), (CLIENT, 5000)]
