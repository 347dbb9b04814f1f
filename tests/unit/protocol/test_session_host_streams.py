"""Streams that the host opens: their whole life in both roles, and what nobody may do with them."""

from __future__ import annotations

import pytest

from tests.unit.protocol.peer import STREAMS, TARGET, WINDOW, Peer
from vsocks.address import Target
from vsocks.errors import BusyError, ProtocolError
from vsocks.protocol.events import Answered, Closed, Data, Ended, Opened
from vsocks.protocol.frames import FIRST_HOST_ID
from vsocks.protocol.handshake import Offer, Role
from vsocks.protocol.messages import Close, CloseCode, Credit, End, Message, Open, OpenResult

pytestmark = pytest.mark.unit

DONE, RESET = CloseCode.DONE, CloseCode.RESET
FIRST = FIRST_HOST_ID
BOUND = Target("127.0.0.1", 3389)


# -- opens and their answers ---------------------------------------------------------------


def test_an_open_takes_the_lowest_free_slot_of_the_hosts_row(guest: Peer) -> None:
    assert [guest.session.open(TARGET).id for _ in range(STREAMS)] == [FIRST, FIRST + 1, FIRST + 2]
    assert guest.talk() == [Open(FIRST + number, TARGET) for number in range(STREAMS)]
    with pytest.raises(BusyError, match=f"all {STREAMS} streams"):
        guest.session.open(TARGET)


def test_the_guest_answers_once(host: Peer) -> None:
    [event] = host.say(Open(FIRST, TARGET))
    assert isinstance(event, Opened)
    assert event == Opened(event.stream, TARGET, listens=False)
    host.session.accept(event.stream, BOUND)
    host.session.accept(event.stream, None)
    host.session.refuse(event.stream, 5)
    assert host.talk() == [OpenResult(FIRST, 0, BOUND)]


def test_the_host_is_told_the_answer(guest: Peer) -> None:
    stream = guest.session.open(TARGET)
    assert guest.say(OpenResult(FIRST, 0, BOUND)) == [Answered(stream, 0, BOUND)]


def test_data_may_follow_the_open_at_once(guest: Peer, host: Peer) -> None:
    stream = guest.session.open(TARGET)
    guest.session.send(stream, memoryview(b"early"))
    assert guest.talk() == [Open(FIRST, TARGET), (FIRST, b"early")]

    asked = host.opened(FIRST, accept=False)
    assert host.data(FIRST, b"early") == [Data(asked, memoryview(b"early"))]


def test_a_refused_open_frees_both_sides(guest: Peer, host: Peer) -> None:
    asked = host.opened(FIRST, accept=False)
    host.session.refuse(asked, 2)
    assert host.talk() == [OpenResult(FIRST, 2, None)]
    assert asked.in_use
    assert not host.say(Close(FIRST, RESET))
    assert host.can_reopen(asked)

    ours = guest.answered(reply=2)
    assert ours.in_use
    guest.session.close(ours, RESET)
    assert guest.talk() == [Close(FIRST, RESET)]
    assert guest.session.open(TARGET) is ours


@pytest.mark.parametrize("reply", [0, 4])
def test_a_host_that_closes_before_the_answer(guest: Peer, reply: int) -> None:
    """The answer is then nobody's; an accepting guest must still close."""
    stream = guest.session.open(TARGET)
    guest.session.close(stream)
    assert guest.talk() == [Open(FIRST, TARGET), Close(FIRST, RESET)]
    assert not guest.say(OpenResult(FIRST, reply, None))
    assert stream.in_use == (reply == 0)
    if reply == 0:
        assert not guest.data(FIRST, b"for nobody")
        assert not guest.say(Credit(FIRST, 10), End(FIRST), Close(FIRST, RESET))
    assert not stream.in_use


def test_a_guest_whose_host_closes_before_the_answer(host: Peer) -> None:
    stream = host.opened(FIRST, accept=False)
    assert host.say(Close(FIRST, RESET)) == [Closed(stream, RESET)]
    host.session.close(stream, RESET)
    assert host.talk() == [OpenResult(FIRST, 1, None)]
    assert host.can_reopen(stream)


# -- data, credit and ends -----------------------------------------------------------------


@pytest.mark.parametrize("role", list(Role))
def test_a_whole_conversation(role: Role) -> None:
    """Data both ways with credit, the end of one direction, then of the other, then the closes."""
    peer = Peer(role)
    stream = peer.answered() if role is Role.HOST else peer.opened(FIRST)
    session = peer.session
    peer.talk()
    assert peer.data(FIRST, bytes(WINDOW)) == [Data(stream, memoryview(bytes(WINDOW)))]
    session.consumed(stream, WINDOW)
    assert peer.talk() == [Credit(FIRST, WINDOW)]
    session.send(stream, memoryview(bytes(WINDOW + 7)))
    assert peer.talk() == [(FIRST, bytes(WINDOW))]
    session.end(stream)
    peer.say(Credit(FIRST, 100))
    assert peer.talk() == [(FIRST, bytes(7)), End(FIRST)]
    assert peer.data(FIRST, b"more") == [Data(stream, memoryview(b"more"))]
    assert peer.say(End(FIRST), Close(FIRST, DONE)) == [Ended(stream), Closed(stream, DONE)]
    session.close(stream, DONE)
    assert peer.talk() == [Close(FIRST, DONE)]
    assert not stream.in_use


@pytest.mark.parametrize("role", list(Role))
def test_a_reset_does_not_wait_for_data(role: Role) -> None:
    peer = Peer(role)
    stream = peer.answered() if role is Role.HOST else peer.opened(FIRST)
    peer.talk()
    peer.session.send(stream, memoryview(b"never sent"))
    peer.session.close(stream, CloseCode.TIMEOUT)
    assert peer.talk() == [Close(FIRST, CloseCode.TIMEOUT)]
    assert not peer.data(FIRST, b"late")
    assert not peer.say(Close(FIRST, RESET))
    assert not stream.in_use


@pytest.mark.parametrize("role", list(Role))
def test_a_slot_begins_anew(role: Role) -> None:
    """Nothing of its last use is left: neither credit, nor an end, nor an answer."""
    peer = Peer(role)
    for _ in range(3):
        stream = peer.answered() if role is Role.HOST else peer.opened(FIRST)
        assert stream.id == FIRST
        peer.talk()
        assert peer.data(FIRST, bytes(WINDOW))
        peer.session.send(stream, memoryview(bytes(2 * WINDOW)))
        assert peer.talk() == [(FIRST, bytes(WINDOW))]
        peer.say(End(FIRST), Close(FIRST, RESET))
        peer.session.close(stream, RESET)
        assert peer.talk() == [Close(FIRST, RESET)]


def test_the_streams_of_the_two_sides_have_nothing_in_common(guest: Peer) -> None:
    """Both rows can be full, and the same place in them is two streams."""
    theirs = [guest.opened(number) for number in range(STREAMS)]
    ours = [guest.answered() for _ in range(STREAMS)]
    assert len({*theirs, *ours}) == 2 * STREAMS
    guest.talk()
    guest.data(0, bytes(WINDOW))
    assert guest.data(FIRST, b"x") == [Data(ours[0], memoryview(b"x"))]
    guest.session.send(theirs[0], memoryview(b"down"))
    guest.session.send(ours[0], memoryview(b"up"))
    assert guest.talk() == [(0, b"down"), (FIRST, b"up")]
    assert guest.say(Close(FIRST, RESET)) == [Closed(ours[0], RESET)]
    assert guest.say(End(0)) == [Ended(theirs[0])]


def test_the_lesser_of_the_two_offers_counts_for_both_rows() -> None:
    guest = Peer(Role.HOST, peer_offer=Offer(max_streams=2))
    assert [guest.session.open(TARGET).id for _ in range(2)] == [FIRST, FIRST + 1]
    with pytest.raises(BusyError, match="all 2 streams"):
        guest.session.open(TARGET)
    host = Peer(Role.GUEST, peer_offer=Offer(max_streams=2))
    host.opened(FIRST + 1)
    with pytest.raises(ProtocolError, match="there are 2"):
        host.say(Open(FIRST + 2, TARGET))


# -- what nobody may do --------------------------------------------------------------------


@pytest.mark.parametrize("stream", [STREAMS, 0x7FFF, FIRST + STREAMS, 0xFFFE, 0xFFFF])
def test_an_open_of_a_slot_that_does_not_exist(host: Peer, stream: int) -> None:
    with pytest.raises(ProtocolError, match=f"stream {stream} opened; there are {STREAMS}"):
        host.say(Open(stream, TARGET))


def test_an_open_of_the_other_sides_slot(guest: Peer, host: Peer) -> None:
    with pytest.raises(ProtocolError, match=f"stream {FIRST} opened, but that is for us"):
        guest.say(Open(FIRST, TARGET))
    with pytest.raises(ProtocolError, match="stream 0 opened, but that is for us"):
        host.say(Open(0, TARGET))


def test_an_open_of_a_slot_in_use(host: Peer) -> None:
    host.opened(FIRST)
    with pytest.raises(ProtocolError, match=f"stream {FIRST} opened while it is in use"):
        host.say(Open(FIRST, TARGET))


def test_an_answer_by_the_one_who_asked(host: Peer) -> None:
    host.opened(FIRST, accept=False)
    with pytest.raises(ProtocolError, match="nobody asked for"):
        host.say(OpenResult(FIRST, 0, None))


def test_two_answers(guest: Peer) -> None:
    guest.answered()
    with pytest.raises(ProtocolError, match="nobody asked for"):
        guest.say(OpenResult(FIRST, 0, None))


def test_an_answer_to_nothing(guest: Peer) -> None:
    with pytest.raises(ProtocolError, match="which isn't open"):
        guest.say(OpenResult(FIRST, 0, None))


@pytest.mark.parametrize("message", [Credit(FIRST, 5), End(FIRST), Close(FIRST, 0)])
def test_messages_of_the_guest_before_its_answer(guest: Peer, message: Message) -> None:
    guest.session.open(TARGET)
    with pytest.raises(ProtocolError, match="before it answered"):
        guest.say(message)


def test_data_of_the_guest_before_its_answer(guest: Peer) -> None:
    guest.session.open(TARGET)
    with pytest.raises(ProtocolError, match="before it answered"):
        guest.data(FIRST, b"x")


@pytest.mark.parametrize("role", list(Role))
def test_data_beyond_the_credit(role: Role) -> None:
    peer = Peer(role)
    peer.answered() if role is Role.HOST else peer.opened(FIRST)
    peer.data(FIRST, bytes(WINDOW))
    with pytest.raises(ProtocolError, match=f"overstepped its credit on stream {FIRST}"):
        peer.data(FIRST, b"x")
