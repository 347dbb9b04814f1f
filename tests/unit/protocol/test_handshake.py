"""When hellos are said, and what they prove."""

from __future__ import annotations

from itertools import pairwise

import pytest

from vsocks.protocol.frames import CONTROL_ID, HEADER
from vsocks.protocol.handshake import (
    FIRST_RETRY,
    LAST_RETRY,
    PROBE,
    Handshake,
    Hello,
    Offer,
    Role,
    find_hello,
)

pytestmark = pytest.mark.unit


def handshake(role: Role, *, eager: bool | None = None, probe: bool = False) -> Handshake:
    def entropy(size: int) -> bytes:
        return bytes([role + 1] * size)

    eager = role is Role.GUEST if eager is None else eager
    return Handshake(role, Offer(), entropy, now=0.0, eager=eager, probe=probe)


def said(side: Handshake, seconds: float) -> list[tuple[float, bytes]]:
    """What a side says by itself in so many seconds, and when."""
    says, now = [], 0.0
    while (due := side.next_poll) is not None and due <= seconds:
        now = max(now, due)
        if output := side.output(now):
            says.append((now, output))
    return says


def hello_in(output: bytes) -> Hello:
    hello, _ = find_hello(output)
    assert hello is not None
    return hello


def test_two_sides_prove_to_each_other_that_they_are_there() -> None:
    guest, host = handshake(Role.GUEST), handshake(Role.HOST)
    first = hello_in(guest.output(0.0))
    assert not host.receive_hello(first)
    answer = hello_in(host.output(0.0))
    assert answer.echo == guest.nonce
    assert guest.receive_hello(answer)
    last = hello_in(guest.answer_due())
    assert host.receive_hello(last)
    assert not host.answer_due()
    assert not guest.answer_due()


def test_the_hello_of_somebody_from_an_hour_ago_proves_nothing_and_is_answered() -> None:
    host = handshake(Role.HOST)
    stale = Hello(Role.GUEST, 99, 98, Offer())
    assert not host.receive_hello(stale)
    assert hello_in(host.output(0.0)).echo == 99
    assert host.receive_hello(Hello(Role.GUEST, 100, host.nonce, Offer()))


def test_a_peer_that_repeats_its_hello_has_not_had_ours() -> None:
    host = handshake(Role.HOST)
    for _ in range(3):
        assert not host.receive_hello(Hello(Role.GUEST, 99, 0, Offer()))
        assert hello_in(host.output(0.0)).echo == 99
        assert not host.output(0.0)


def test_our_hello_can_be_asked_for_again() -> None:
    guest = handshake(Role.GUEST)
    guest.receive_hello(Hello(Role.HOST, 5, guest.nonce, Offer()))
    assert hello_in(guest.answer_due()).echo == 5
    assert not guest.answer_due()
    guest.answer()
    assert hello_in(guest.answer_due()).echo == 5


def test_a_nonce_is_never_zero() -> None:
    side = Handshake(Role.GUEST, Offer(), bytes, now=0.0, eager=True, probe=False)
    assert side.nonce != 0


def test_a_guest_speaks_at_once_and_then_again_and_again() -> None:
    guest = handshake(Role.GUEST)
    times = [when for when, _ in said(guest, 20.0)]
    assert times[0] == 0.0
    assert not guest.output(times[-1] + FIRST_RETRY / 2)
    gaps = [after - before for before, after in pairwise(times)]
    assert all(FIRST_RETRY <= gap <= LAST_RETRY for gap in gaps)
    assert len(gaps) >= 20.0 / LAST_RETRY - 1


def test_a_host_is_silent_until_it_hears_something() -> None:
    host = handshake(Role.HOST)
    assert host.next_poll is None
    assert not host.output(1000.0)
    host.heard_noise()
    assert len(said(host, 1000.0)) == 3
    assert host.next_poll is None
    host.heard_noise()
    assert len(said(host, 1000.0)) == 3


def test_a_host_that_has_lost_a_session_speaks_first_but_not_for_ever() -> None:
    assert len(said(handshake(Role.HOST, eager=True), 1000.0)) == 3


def test_from_the_second_attempt_on_padding_goes_before_the_hello() -> None:
    """Zeros enough to end any frame that the peer may be in the middle of."""
    side = handshake(Role.GUEST)
    (_, first), (_, second), (_, third) = said(side, 1.5)[:3]
    longest = Offer().max_frame
    assert first == Hello(Role.GUEST, side.nonce, 0, Offer()).encode()
    assert second == HEADER.pack(CONTROL_ID, longest) + bytes(longest) + first
    assert third == second


def test_a_host_that_knows_the_original_wire_only_is_probed_until_a_hello_comes() -> None:
    guest = handshake(Role.GUEST, probe=True)
    assert all(output.endswith(PROBE) for _, output in said(guest, 2.0))
    guest.receive_hello(Hello(Role.HOST, 5, 0, Offer()))
    assert PROBE not in b"".join(output for _, output in said(guest, 4.0))
    assert PROBE not in handshake(Role.GUEST).output(0.0)


def test_hello_again_after_a_quarter_and_then_every_half_second() -> None:
    """Section 3, "Who begins"."""
    assert [when for when, _ in said(handshake(Role.GUEST), 2.0)] == [0, 0.25, 0.75, 1.25, 1.75]
