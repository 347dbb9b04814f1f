"""LISTEN: the target comes to the peer, and the guest is told where to."""

from __future__ import annotations

import pytest

from tests.unit.protocol.peer import STREAMS, TARGET, Peer
from vsocks.address import Target
from vsocks.errors import BusyError, ProtocolError
from vsocks.protocol.events import Answered, Closed, Data, ListeningAt, Opened
from vsocks.protocol.messages import Close, CloseCode, Listen, Listening, Open, OpenResult
from vsocks.protocol.streams import Stream

pytestmark = pytest.mark.unit

RESET = CloseCode.RESET
#: Where the host waits, and who comes.
PLACE = Target("198.51.100.7", 40000)
VISITOR = Target("192.0.2.9", 20)


def asked(guest: Peer) -> Stream:
    """The guest wants somebody let in, on stream 0."""
    [event] = guest.say(Listen(0, TARGET))
    assert isinstance(event, Opened)
    assert event == Opened(event.stream, TARGET, listens=True)
    guest.talk()
    return event.stream


def asking(host: Peer) -> Stream:
    """The session wants somebody let in."""
    stream = host.session.listen(TARGET)
    assert host.talk() == [Listen(stream.id, TARGET)]
    return stream


# -- as it should go -----------------------------------------------------------------------


def test_the_host_says_where_and_then_who_came(guest: Peer) -> None:
    stream = asked(guest)
    guest.session.listening(stream, PLACE)
    assert guest.talk() == [Listening(0, PLACE)]
    guest.session.accept(stream, VISITOR)
    assert guest.talk() == [OpenResult(0, 0, VISITOR)]


def test_the_place_stays_what_it_was_when_somebody_comes_before_it_is_told(guest: Peer) -> None:
    stream = asked(guest)
    guest.session.listening(stream, PLACE)
    guest.session.accept(stream, VISITOR)
    assert guest.talk() == [Listening(0, PLACE), OpenResult(0, 0, VISITOR)]


def test_the_guest_hears_where_and_then_who_came(host: Peer) -> None:
    stream = asking(host)
    assert host.say(Listening(0, PLACE)) == [ListeningAt(stream, PLACE)]
    assert host.say(OpenResult(0, 0, VISITOR)) == [Answered(stream, 0, VISITOR)]
    assert host.data(0, b"hello") == [Data(stream, memoryview(b"hello"))]


def test_a_refusal_needs_no_place(guest: Peer, host: Peer) -> None:
    theirs = asked(guest)
    guest.session.refuse(theirs, 2)
    assert guest.talk() == [OpenResult(0, 2, None)]

    stream = asking(host)
    assert host.say(OpenResult(0, 2, None)) == [Answered(stream, 2, None)]
    host.session.close(stream, RESET)
    assert host.talk() == [Close(0, RESET)]
    assert not stream.in_use


def test_a_refusal_may_come_after_the_place_when_nobody_came(guest: Peer, host: Peer) -> None:
    theirs = asked(guest)
    guest.session.listening(theirs, PLACE)
    guest.session.refuse(theirs, 6)
    assert guest.talk() == [OpenResult(0, 6, None)]

    stream = asking(host)
    assert host.say(Listening(0, PLACE), OpenResult(0, 6, None)) == [
        ListeningAt(stream, PLACE),
        Answered(stream, 6, None),
    ]


def test_listens_and_opens_share_the_slots(host: Peer) -> None:
    assert [host.session.listen(TARGET).id, host.session.open(TARGET).id] == [0, 1]
    assert host.session.listen(TARGET).id == 2
    with pytest.raises(BusyError, match=f"all {STREAMS} streams"):
        host.session.listen(TARGET)
    assert host.talk() == [Listen(0, TARGET), Open(1, TARGET), Listen(2, TARGET)]


# -- closed while it waits -----------------------------------------------------------------


@pytest.mark.parametrize("told", [False, True], ids=["before the place", "after the place"])
@pytest.mark.parametrize("reply", [0, 6])
def test_a_guest_that_closes_while_it_waits(host: Peer, told: bool, reply: int) -> None:
    """What the host had said meanwhile is nobody's, and the slot is free in the end."""
    stream = asking(host)
    if told:
        host.say(Listening(0, PLACE))
    host.session.close(stream)
    assert host.talk() == [Close(0, RESET)]
    if not told:
        assert not host.say(Listening(0, PLACE))
    assert not host.say(OpenResult(0, reply, None))
    assert reply or not host.say(Close(0, RESET))
    assert not stream.in_use
    assert host.session.open(TARGET) is stream


def test_a_listen_that_is_closed_before_it_left_is_still_heard_of(host: Peer) -> None:
    stream = host.session.listen(TARGET)
    host.session.close(stream)
    assert host.talk() == [Listen(0, TARGET), Close(0, RESET)]


@pytest.mark.parametrize("told", [False, True], ids=["before the place", "after the place"])
def test_a_host_whose_guest_closes_while_it_waits(guest: Peer, told: bool) -> None:
    stream = asked(guest)
    if told:
        guest.session.listening(stream, PLACE)
        assert guest.talk() == [Listening(0, PLACE)]
    assert guest.say(Close(0, RESET)) == [Closed(stream, RESET)]
    guest.session.close(stream, RESET)
    guest.session.listening(stream, PLACE)
    guest.session.accept(stream, VISITOR)
    assert guest.talk() == [OpenResult(0, 1, None)]
    assert guest.can_reopen(stream)


def test_a_place_that_has_not_been_told_is_not_told_after_a_close(guest: Peer) -> None:
    """Nor is it told of whoever has the slot next."""
    stream = asked(guest)
    guest.session.listening(stream, PLACE)
    guest.session.close(stream)
    assert guest.talk() == [OpenResult(0, 1, None)]
    guest.say(Close(0, RESET))
    assert asked(guest) is stream
    assert stream.listening_at is None
    assert not guest.talk()


def test_the_place_is_not_told_after_the_answer(guest: Peer) -> None:
    stream = asked(guest)
    guest.session.listening(stream, PLACE)
    guest.session.accept(stream, VISITOR)
    guest.talk()
    guest.session.listening(stream, PLACE)
    assert not guest.talk()


# -- what nobody may do --------------------------------------------------------------------


def test_a_place_told_twice(host: Peer) -> None:
    asking(host)
    host.say(Listening(0, PLACE))
    with pytest.raises(ProtocolError, match="stream 0 listens, but nobody asked it to"):
        host.say(Listening(0, PLACE))


def test_a_place_for_an_open(host: Peer) -> None:
    host.session.open(TARGET)
    with pytest.raises(ProtocolError, match="nobody asked it to"):
        host.say(Listening(0, PLACE))


@pytest.mark.parametrize("reply", [0, 5])
def test_a_place_after_the_answer(host: Peer, reply: int) -> None:
    stream = asking(host)
    host.say(*[Listening(0, PLACE)] * (reply == 0), OpenResult(stream.id, reply, None))
    with pytest.raises(ProtocolError, match="nobody asked it to"):
        host.say(Listening(0, PLACE))


def test_a_place_for_nothing(host: Peer, guest: Peer) -> None:
    for peer in (host, guest):
        with pytest.raises(ProtocolError, match="stream 0, which isn't open"):
            peer.say(Listening(0, PLACE))


def test_a_place_of_the_guest(guest: Peer) -> None:
    asked(guest)
    with pytest.raises(ProtocolError, match="nobody asked it to"):
        guest.say(Listening(0, PLACE))


def test_somebody_came_but_nobody_was_told_where_to(host: Peer) -> None:
    """The client would wait for the first of two answers."""
    asking(host)
    with pytest.raises(ProtocolError, match="somebody came to stream 0 before it listened"):
        host.say(OpenResult(0, 0, VISITOR))


def test_a_listen_on_a_slot_in_use(guest: Peer) -> None:
    guest.opened(0)
    with pytest.raises(ProtocolError, match="stream 0 opened while it is in use"):
        guest.say(Listen(0, TARGET))


@pytest.mark.parametrize("stream", [STREAMS, 0x7FFF, 0x8000 + STREAMS, 0xFFFF])
def test_a_listen_on_a_slot_that_does_not_exist(guest: Peer, stream: int) -> None:
    with pytest.raises(ProtocolError, match=f"stream {stream} opened; there are {STREAMS}"):
        guest.say(Listen(stream, TARGET))


def test_data_before_the_answer(host: Peer) -> None:
    asking(host)
    host.say(Listening(0, PLACE))
    with pytest.raises(ProtocolError, match="before it answered"):
        host.data(0, b"x")
