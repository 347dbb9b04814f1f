"""When to ask after a silent peer, and when to give it up."""

from __future__ import annotations

import pytest

from vsocks.protocol.heartbeat import Heartbeat

pytestmark = pytest.mark.unit

INTERVAL, TIMEOUT = 1.0, 5.0


def heartbeat() -> Heartbeat:
    return Heartbeat(100.0, INTERVAL, TIMEOUT)


def polls_until_expired(heart: Heartbeat, limit: float) -> tuple[list[float], float]:
    """Call poll() whenever it asks for it; returns when it pinged, and when it gave up."""
    pings = []
    for _ in range(1000):
        now = heart.next_poll
        assert now < limit
        if heart.poll(now):
            pings.append(now)
        if heart.expired(now):
            return pings, now
    raise AssertionError("a silent peer was never given up")


def test_a_silent_peer_is_asked_each_second_and_then_given_up() -> None:
    pings, expired = polls_until_expired(heartbeat(), limit=120.0)
    assert pings == [101.0, 102.0, 103.0, 104.0, 105.0, 106.0]
    assert expired == 106.0


def test_a_peer_that_speaks_is_not_asked() -> None:
    heart = heartbeat()
    for quarter in range(1, 200):
        now = 100.0 + quarter / 4
        heart.heard(now)
        assert not heart.poll(now + 0.1)
        assert heart.next_poll == now + INTERVAL
        assert not heart.expired(now + 0.1)


def test_one_ping_an_interval_however_often_it_is_polled() -> None:
    heart = heartbeat()
    asked = [now for now in range(1000, 1040) if heart.poll(now / 10)]
    assert asked == [1010, 1020, 1030]


def test_an_answer_saves_the_peer_at_the_last_moment() -> None:
    heart = heartbeat()
    for now in (101.0, 102.0, 103.0, 104.0, 105.0):
        heart.poll(now)
    assert not heart.expired(105.0)
    assert heart.expired(105.1)
    heart.heard(105.2)
    assert not heart.expired(105.2)
    assert not heart.expired(110.2)
    assert heart.expired(110.3)


def test_own_suspension_is_not_held_against_the_peer() -> None:
    """A laptop that slept for an hour finds a peer that has had no chance to speak."""
    heart = heartbeat()
    assert heart.poll(101.0)
    assert heart.poll(3701.0)
    assert not heart.expired(3701.0)
    pings, expired = polls_until_expired(heart, limit=3720.0)
    assert pings
    assert expired - 3701.0 <= TIMEOUT


def test_suspended_again_and_again() -> None:
    heart = heartbeat()
    now = 100.0
    for _ in range(20):
        now += 60.0
        heart.poll(now)
        assert not heart.expired(now)
        heart.heard(now + 0.1)


def test_a_short_delay_of_a_busy_machine_is_no_suspension() -> None:
    """Else a peer would never be given up by a daemon that is always a little late."""
    heart = heartbeat()
    now = 100.0
    for _ in range(3):
        now += 2 * INTERVAL
        heart.poll(now)
    assert heart.expired(now)


def test_traffic_during_which_nobody_polled_is_no_suspension() -> None:
    """next_poll moves on while the peer speaks, so it may be an hour before it comes."""
    heart = heartbeat()
    now = 100.0
    while now < 3700.0:
        now += INTERVAL / 2
        heart.heard(now)
        assert heart.next_poll > now
    _, expired = polls_until_expired(heart, limit=200_000.0)
    assert expired - now <= TIMEOUT + 2 * INTERVAL
