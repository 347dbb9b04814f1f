"""Opens and their answers."""

from __future__ import annotations

import pytest

from tests.unit.protocol.peer import STREAMS, TARGET, Peer
from vsocks.address import Target
from vsocks.errors import BusyError
from vsocks.protocol.events import Answered, Closed
from vsocks.protocol.messages import Close, CloseCode, Credit, End, Open, OpenResult

pytestmark = pytest.mark.unit

RESET = CloseCode.RESET


def test_an_open_takes_the_lowest_free_slot_and_names_the_target(host: Peer) -> None:
    assert [host.session.open(TARGET).id for _ in range(STREAMS)] == [0, 1, 2]
    assert host.talk() == [Open(0, TARGET), Open(1, TARGET), Open(2, TARGET)]
    with pytest.raises(BusyError, match=f"all {STREAMS} streams"):
        host.session.open(TARGET)


def test_the_answer_carries_the_address(host: Peer) -> None:
    stream = host.session.open(TARGET)
    bound = Target("10.0.0.1", 5555)
    assert host.say(OpenResult(0, 0, bound)) == [Answered(stream, 0, bound)]


def test_data_may_follow_the_open_at_once(host: Peer) -> None:
    stream = host.session.open(TARGET)
    host.session.send(stream, memoryview(b"early"))
    assert host.talk() == [Open(0, TARGET), (0, b"early")]


def test_the_host_answers_once(guest: Peer) -> None:
    stream = guest.opened(0, accept=False)
    bound = Target("10.0.0.1", 5555)
    guest.session.accept(stream, bound)
    guest.session.accept(stream, None)
    guest.session.refuse(stream, 5)
    assert guest.talk() == [OpenResult(0, 0, bound)]


def test_a_refused_open_frees_both_sides(guest: Peer, host: Peer) -> None:
    stream = guest.opened(0, accept=False)
    guest.session.refuse(stream, 5)
    assert guest.talk() == [OpenResult(0, 5, None)]
    assert stream.in_use
    assert not guest.say(Close(0, RESET))
    assert guest.can_reopen(stream)

    theirs = host.answered(reply=5)
    assert theirs.in_use
    host.session.close(theirs, RESET)
    assert host.talk() == [Close(0, RESET)]
    assert not theirs.in_use
    assert host.session.open(TARGET) is theirs


def test_closing_what_was_not_answered_refuses_it(guest: Peer) -> None:
    stream = guest.opened(0, accept=False)
    guest.session.close(stream, RESET)
    assert guest.talk() == [OpenResult(0, 1, None)]
    guest.session.close(stream, RESET)
    assert not guest.talk()


@pytest.mark.parametrize("reply", [0, 4])
def test_a_guest_that_closes_before_the_answer(host: Peer, reply: int) -> None:
    """The answer is then nobody's; an accepting host must still close."""
    stream = host.session.open(TARGET)
    host.session.close(stream)
    assert host.talk() == [Open(0, TARGET), Close(0, RESET)]
    assert not host.say(OpenResult(0, reply, None))
    assert stream.in_use == (reply == 0)
    if reply == 0:
        assert not host.data(0, b"for nobody")
        assert not host.say(Credit(0, 10), End(0), Close(0, RESET))
    assert not stream.in_use


def test_a_host_whose_guest_closes_before_the_answer(guest: Peer) -> None:
    stream = guest.opened(0, accept=False)
    assert guest.say(Close(0, RESET)) == [Closed(stream, RESET)]
    assert stream.in_use
    guest.session.close(stream, RESET)
    assert guest.talk() == [OpenResult(0, 1, None)]
    assert guest.can_reopen(stream)
