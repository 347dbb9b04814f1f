"""How streams end, and when their slot is free again."""

from __future__ import annotations

import pytest

from tests.unit.protocol.peer import TARGET, WINDOW, Peer
from vsocks.errors import BusyError
from vsocks.protocol.events import Closed, Data, Ended
from vsocks.protocol.handshake import Offer, Role
from vsocks.protocol.messages import Close, CloseCode, Credit, End, OpenResult

pytestmark = pytest.mark.unit

DONE, RESET = CloseCode.DONE, CloseCode.RESET


# -- the end of one direction --------------------------------------------------------------


def test_after_its_end_the_peer_still_receives(guest: Peer) -> None:
    stream = guest.opened(0)
    assert guest.say(End(0)) == [Ended(stream)]
    guest.talk()
    guest.session.send(stream, memoryview(b"the answer to all of it"))
    guest.session.end(stream)
    assert guest.talk() == [(0, b"the answer to all of it"), End(0)]


def test_after_our_end_we_still_receive(guest: Peer) -> None:
    stream = guest.opened(0)
    guest.session.end(stream)
    guest.talk()
    assert guest.data(0, b"more") == [Data(stream, memoryview(b"more"))]
    guest.session.consumed(stream, WINDOW)
    assert guest.talk() == [Credit(0, WINDOW)]


def test_empty_data_is_no_event(guest: Peer) -> None:
    guest.opened(0)
    assert not guest.data(0, b"")


# -- closing -------------------------------------------------------------------------------


def test_done_goes_behind_the_data() -> None:
    guest = Peer(Role.HOST)
    stream = guest.opened(0)
    guest.say(End(0))
    guest.talk()
    guest.session.send(stream, memoryview(bytes(WINDOW + 10)))
    guest.session.close(stream, DONE)
    assert guest.talk() == [(0, bytes(WINDOW))]
    guest.say(Credit(0, 10))
    assert guest.talk() == [(0, bytes(10)), Close(0, DONE)]


def test_a_reset_does_not_wait_for_data(guest: Peer) -> None:
    stream, other = guest.opened(0), guest.opened(1)
    guest.talk()
    guest.session.send(other, memoryview(b"other"))
    guest.session.send(stream, memoryview(b"never sent"))
    guest.session.close(stream, CloseCode.TIMEOUT)
    assert guest.talk() == [Close(0, CloseCode.TIMEOUT), (1, b"other")]


def test_done_before_the_peer_has_ended_would_lose_data_and_is_a_reset(guest: Peer) -> None:
    stream = guest.opened(0)
    guest.talk()
    guest.session.close(stream, DONE)
    assert guest.talk() == [Close(0, RESET)]


def test_a_done_that_can_not_be_true_is_a_reset(guest: Peer) -> None:
    """The peer can't be done with what we haven't finished sending."""
    stream = guest.opened(0)
    assert guest.say(Close(0, DONE)) == [Closed(stream, RESET)]


def test_done_after_both_ends(guest: Peer) -> None:
    stream = guest.opened(0)
    guest.session.end(stream)
    guest.talk()
    assert guest.say(End(0), Close(0, DONE)) == [Ended(stream), Closed(stream, DONE)]
    guest.session.close(stream, DONE)
    assert guest.talk() == [Close(0, DONE)]
    assert guest.can_reopen(stream)


def test_a_reset_while_done_waits_for_credit_frees_the_slot() -> None:
    guest = Peer(Role.HOST)
    stream = guest.opened(0)
    guest.say(End(0))
    guest.session.send(stream, memoryview(bytes(WINDOW + 10)))
    guest.session.close(stream, DONE)
    guest.talk()
    assert not guest.say(Close(0, RESET))
    assert guest.talk() == [Close(0, RESET)]
    assert guest.can_reopen(stream)


def test_a_reset_that_crosses_our_done_needs_no_answer(guest: Peer) -> None:
    stream = guest.opened(0)
    guest.say(End(0))
    guest.session.close(stream, DONE)
    assert guest.talk()[-1] == Close(0, DONE)
    assert not guest.say(Close(0, RESET))
    assert not guest.talk()
    assert guest.can_reopen(stream)


def test_a_close_is_sent_once(guest: Peer) -> None:
    stream = guest.opened(0)
    guest.talk()
    for code in (RESET, DONE, CloseCode.TIMEOUT):
        guest.session.close(stream, code)
    assert guest.talk() == [Close(0, RESET)]
    guest.session.close(stream, RESET)
    assert not guest.talk()


def test_after_our_close_nothing_of_the_stream_is_told_or_sent(guest: Peer) -> None:
    stream = guest.opened(0)
    guest.talk()
    guest.session.close(stream, RESET)
    guest.session.send(stream, memoryview(b"late"))
    guest.session.end(stream)
    guest.session.consumed(stream, WINDOW)
    assert not guest.data(0, b"late")
    assert not guest.say(Credit(0, 100), End(0), Close(0, RESET))
    assert guest.talk() == [Close(0, RESET)]


# -- the slot ------------------------------------------------------------------------------


def test_a_slot_is_free_only_when_both_have_closed() -> None:
    host = Peer(Role.GUEST, offer=Offer(max_streams=1, window=WINDOW))
    stream = host.answered()
    host.session.close(stream, RESET)
    with pytest.raises(BusyError):
        host.session.open(TARGET)
    host.talk()
    with pytest.raises(BusyError):
        host.session.open(TARGET)
    host.say(Close(0, RESET))
    assert host.session.open(TARGET) is stream


def test_a_slot_is_not_free_before_our_close_has_left(guest: Peer) -> None:
    stream = guest.opened(0)
    guest.say(Close(0, RESET))
    guest.session.close(stream, RESET)
    assert stream.in_use
    guest.talk()
    assert guest.can_reopen(stream)


def test_a_slot_begins_anew(guest: Peer) -> None:
    """Nothing of its last use is left: neither credit, nor an end, nor data."""
    stream = guest.opened(0)
    guest.session.send(stream, memoryview(bytes(2 * WINDOW)))
    guest.talk()
    guest.data(0, bytes(WINDOW))
    guest.say(End(0), Close(0, RESET))
    guest.session.close(stream, RESET)
    guest.talk()

    assert guest.opened(0) is stream
    assert len(guest.data(0, bytes(WINDOW))) == 1
    guest.session.send(stream, memoryview(bytes(2 * WINDOW)))
    assert guest.talk() == [OpenResult(0, 0, None), (0, bytes(WINDOW))]
