"""Bounds in the original format: a full stream, memory, and a peer that knows more."""

from __future__ import annotations

import struct

import pytest

from tests.unit.protocol.original_peer import BY_IP, STREAMS, WINDOW, OriginalPeer, packet
from tests.unit.protocol.peer import queued
from vsocks.protocol.events import Closed, Data, Opened
from vsocks.protocol.handshake import Role
from vsocks.protocol.messages import CloseCode
from vsocks.protocol.original import STALL_TIMEOUT, PeerSpeaksVsocksError
from vsocks.protocol.streams import Stream

pytestmark = pytest.mark.unit


@pytest.fixture
def guest() -> OriginalPeer:
    """The peer of a host."""
    return OriginalPeer(Role.HOST)


# -- memory ------------------------------------------------------------------------------


def test_what_a_hostile_guest_opens_and_closes_costs_no_memory(guest: OriginalPeer) -> None:
    """Also when it never reads what is written for it."""
    for number in range(10_000):
        for event in guest.say(packet(number % STREAMS, BY_IP), packet(number % STREAMS, b"x")):
            if isinstance(event, Opened):
                guest.session.send(event.stream, memoryview(b"welcome"))
        guest.say(packet(number % STREAMS))
        guest.session.drained()
        assert queued(guest.session) < 10 * STREAMS


# -- no credit: a full stream stalls -------------------------------------------------------


def full(guest: OriginalPeer) -> tuple[Stream, Stream]:
    """A stream whose window is full, with data for it and for another one behind."""
    slow, other = guest.opened(0), guest.opened(1)
    guest.say(packet(0, bytes(WINDOW)))
    assert not guest.session.is_stalled
    assert not guest.say(packet(0, b"more"), packet(1, b"behind it"))
    assert guest.session.is_stalled
    return slow, other


def test_a_full_stream_holds_up_the_channel_until_there_is_room(guest: OriginalPeer) -> None:
    slow, other = full(guest)
    guest.now += STALL_TIMEOUT - 0.1
    guest.session.consumed(slow, 3)
    assert not guest.say()
    guest.session.consumed(slow, 1)
    behind = [Data(slow, memoryview(b"more")), Data(other, memoryview(b"behind it"))]
    assert guest.say() == behind
    assert not guest.session.is_stalled


def test_a_stream_that_stays_full_is_given_up(guest: OriginalPeer) -> None:
    slow, other = full(guest)
    guest.now += STALL_TIMEOUT
    closed, behind = guest.say()
    assert closed == Closed(slow, CloseCode.TIMEOUT)
    assert behind == Data(other, memoryview(b"behind it"))
    guest.session.close(slow, CloseCode.TIMEOUT)
    assert guest.hear() == [(0, b"")]


def test_each_stall_has_its_own_time(guest: OriginalPeer) -> None:
    slow, other = guest.opened(0), guest.opened(1)
    guest.say(packet(0, bytes(WINDOW)), packet(1, bytes(WINDOW)), packet(0, b"more"))
    guest.now += STALL_TIMEOUT
    assert guest.say() == [Closed(slow, CloseCode.TIMEOUT)]
    assert not guest.session.is_stalled
    assert not guest.say(packet(1, b"more"))
    guest.now += STALL_TIMEOUT - 0.1
    assert not guest.say()
    guest.now += 0.1
    assert guest.say() == [Closed(other, CloseCode.TIMEOUT)]


def test_a_stall_begins_anew_after_each_room(guest: OriginalPeer) -> None:
    """Slow is not stuck."""
    slow, _ = full(guest)
    for _ in range(5):
        guest.now += STALL_TIMEOUT - 0.1
        guest.session.consumed(slow, 4)
        assert len(guest.say(packet(0, b"more"))) >= 1
    assert guest.session.is_stalled


def test_a_stream_that_we_have_closed_does_not_stall(guest: OriginalPeer) -> None:
    slow, other = full(guest)
    guest.session.close(slow, CloseCode.RESET)
    assert guest.say() == [Data(other, memoryview(b"behind it"))]
    assert not guest.session.is_stalled


# -- a peer that knows more than that ------------------------------------------------------


@pytest.mark.parametrize("role", list(Role))
def test_a_control_frame_tells_that_the_peer_speaks_vsocks(role: Role) -> None:
    with pytest.raises(PeerSpeaksVsocksError):
        OriginalPeer(role).say(struct.pack("<HH", 0xFFFF, 48))


def test_the_close_of_the_control_id_is_a_refusal_of_our_hello() -> None:
    assert not OriginalPeer(Role.GUEST).say(packet(0xFFFF))


def test_control_frames_can_be_skipped() -> None:
    guest = OriginalPeer(Role.HOST, skips_control=True)
    assert not guest.say(packet(0xFFFF, bytes(100)))
    assert guest.opened(0)
