"""Credit, acknowledgements, and who may send when."""

from __future__ import annotations

import pytest

from tests.unit.protocol.peer import WINDOW, Heard, Peer
from vsocks.protocol.flow import MAX_LIMIT, MIN_LIMIT
from vsocks.protocol.handshake import Offer, Role
from vsocks.protocol.messages import Ack, Credit, End, Ping, Pong
from vsocks.protocol.session import ACK_EVERY

pytestmark = pytest.mark.unit

LARGE = Offer(max_streams=3, window=1 << 30)


@pytest.fixture
def guest() -> Peer:
    """The peer of a host which will take any amount of data."""
    return Peer(Role.HOST, peer_offer=LARGE)


def sizes(heard: list[Heard]) -> list[tuple[int, int]]:
    """The data among what was heard, as (stream, size)."""
    return [(item[0], len(item[1])) for item in heard if isinstance(item, tuple)]


def of_kind(heard: list[Heard], kind: type) -> list[Heard]:
    return [item for item in heard if isinstance(item, kind)]


# -- credit that we give -------------------------------------------------------------------


def test_credit_is_given_back_at_half_the_window(guest: Peer) -> None:
    stream = guest.opened(0)
    guest.data(0, bytes(WINDOW))
    guest.session.consumed(stream, WINDOW // 2 - 1)
    assert not of_kind(guest.hear(), Credit)
    guest.session.consumed(stream, 1)
    assert of_kind(guest.hear(), Credit) == [Credit(0, WINDOW // 2)]


def test_credit_covers_all_that_was_consumed_until_it_leaves(guest: Peer) -> None:
    stream = guest.opened(0)
    guest.data(0, bytes(WINDOW))
    for _ in range(4):
        guest.session.consumed(stream, WINDOW // 4)
    assert of_kind(guest.hear(), Credit) == [Credit(0, WINDOW)]


def test_credit_counts_only_when_it_has_left(guest: Peer) -> None:
    """Else a host that can't write would promise memory that is still in use."""
    stream = guest.opened(0)
    guest.data(0, bytes(WINDOW))
    guest.session.consumed(stream, WINDOW)
    assert stream.receive_credit == 0
    guest.hear()
    assert stream.receive_credit == WINDOW
    guest.data(0, bytes(WINDOW))


def test_no_credit_for_data_that_nobody_consumed(guest: Peer) -> None:
    guest.opened(0)
    guest.data(0, bytes(WINDOW))
    assert not of_kind(guest.hear(), Credit)


def test_no_credit_for_a_peer_that_has_ended(guest: Peer) -> None:
    stream = guest.opened(0)
    guest.data(0, bytes(WINDOW))
    guest.session.consumed(stream, WINDOW)
    guest.say(End(0))
    guest.session.consumed(stream, WINDOW)
    assert not of_kind(guest.hear(), Credit)


# -- credit that we have -------------------------------------------------------------------


def test_no_more_is_sent_than_there_is_credit_for() -> None:
    guest = Peer(Role.HOST)
    stream = guest.opened(0)
    guest.session.send(stream, memoryview(bytes(10_000)))
    assert sizes(guest.hear()) == [(0, WINDOW)]
    assert not guest.hear()
    assert not guest.session.drained()
    guest.say(Credit(0, 1000))
    assert sizes(guest.hear()) == [(0, 1000)]
    guest.say(Credit(0, 100_000))
    assert sizes(guest.hear()) == [(0, 10_000 - WINDOW - 1000)]
    assert guest.session.drained() == [stream]


def test_a_stream_without_credit_does_not_hold_up_another() -> None:
    guest = Peer(Role.HOST)
    full, other = guest.opened(0), guest.opened(1)
    guest.session.send(full, memoryview(bytes(10_000)))
    guest.hear()
    guest.session.send(other, memoryview(bytes(500)))
    assert sizes(guest.hear()) == [(1, 500)]


def test_the_bytes_come_in_order_and_the_end_behind_them(guest: Peer) -> None:
    stream = guest.opened(0)
    content = bytes(range(256)) * 600
    guest.session.send(stream, memoryview(content))
    guest.session.end(stream)
    heard = [item for item in guest.hear() if isinstance(item, (tuple, End))]
    assert heard[-1] == End(0)
    assert b"".join(item[1] for item in heard[:-1] if isinstance(item, tuple)) == content


def test_the_end_waits_for_credit_with_the_data() -> None:
    guest = Peer(Role.HOST)
    stream = guest.opened(0)
    guest.session.send(stream, memoryview(bytes(WINDOW + 1)))
    guest.session.end(stream)
    assert not of_kind(guest.hear(), End)
    guest.say(Credit(0, 1))
    assert guest.hear() == [(0, b"\0"), End(0)]


def test_nothing_can_be_sent_after_the_end(guest: Peer) -> None:
    stream = guest.opened(0)
    guest.session.end(stream)
    guest.session.send(stream, memoryview(b"late"))
    guest.session.end(stream)
    assert not sizes(heard := guest.hear())
    assert len(of_kind(heard, End)) == 1
    guest.session.send(stream, memoryview(b"late"))
    guest.session.end(stream)
    assert not guest.hear()


def test_a_frame_is_never_longer_than_the_peer_takes() -> None:
    guest = Peer(Role.HOST, peer_offer=Offer(max_streams=3, window=1 << 20, max_frame=600))
    guest.session.send(guest.opened(0), memoryview(bytes(2000)))
    assert max(size for _, size in sizes(guest.hear())) == 600 - 8


# -- order and fairness --------------------------------------------------------------------


def test_control_messages_go_before_data(guest: Peer) -> None:
    guest.hear()
    bulk = guest.opened(0)
    guest.session.send(bulk, memoryview(bytes(30_000)))
    guest.say(Ping(77))
    heard = guest.hear()
    assert Pong(77) in heard
    assert heard.index(Pong(77)) < min(heard.index(item) for item in heard if type(item) is tuple)


def test_every_ping_is_answered_but_of_several_at_once_only_the_last(guest: Peer) -> None:
    guest.hear()
    for token in range(3):
        guest.say(Ping(token))
        assert guest.hear() == [Pong(token)]
    guest.say(Ping(7), Ping(8), Ping(9))
    assert guest.hear() == [Pong(9)]


def test_data_waits_while_a_control_message_has_no_room(guest: Peer) -> None:
    """Else an END could overtake the answer that was queued before it."""
    guest.hear()
    guest.session.send(guest.opened(0), memoryview(bytes(100)))
    assert not guest.hear(space=500)
    assert len(guest.hear()) == 2


def test_streams_take_turns(guest: Peer) -> None:
    bulk, other, key = (guest.opened(number) for number in range(3))
    guest.session.send(bulk, memoryview(bytes(1_000_000)))
    guest.session.send(other, memoryview(bytes(1_000_000)))
    guest.session.send(key, memoryview(b"x"))
    order = [stream for stream, _ in sizes(guest.hear())]
    assert order[:3] == [0, 1, 2]
    assert order[3:] == ([0, 1] * len(order))[: len(order) - 3]


def test_a_keystroke_is_not_behind_a_backlog(guest: Peer) -> None:
    bulk, key = guest.opened(0), guest.opened(1)
    guest.session.send(bulk, memoryview(bytes(1_000_000)))
    assert sizes(guest.hear(space=1 << 17))
    guest.session.send(key, memoryview(b"x"))
    order = [stream for stream, _ in sizes(guest.hear())]
    assert order.index(1) <= 1
    assert len(order) > 2


# -- what is on its way --------------------------------------------------------------------


def written_without_acks(guest: Peer) -> int:
    """How many bytes go out until the session waits."""
    guest.session.send(guest.opened(0), memoryview(bytes(8 * MAX_LIMIT)))
    total = 0
    while written := guest.heard_bytes(space=1 << 17):
        total += written
    return total


def test_without_acknowledgements_no_more_than_the_limit_is_sent(guest: Peer) -> None:
    limit = guest.session._outbox.flight.limit
    assert limit // 2 <= written_without_acks(guest) <= limit
    assert limit <= MAX_LIMIT


def test_an_acknowledgement_makes_room(guest: Peer) -> None:
    total = written_without_acks(guest)
    guest.say(Ack(total // 2))
    assert 0 < guest.heard_bytes() <= total


def test_on_a_slow_channel_frames_are_short(guest: Peer) -> None:
    """So that the other streams are never long behind one of them."""
    guest.session.send(guest.opened(0), memoryview(bytes(8 * MAX_LIMIT)))
    for delay in (0.001, *[1.0] * 20):
        written = guest.heard_bytes()
        guest.now += delay
        guest.say(Ack(written))
    assert max(size for _, size in sizes(guest.hear())) == MIN_LIMIT // 4


def test_control_messages_do_not_wait_for_acknowledgements(guest: Peer) -> None:
    written_without_acks(guest)
    guest.say(Ping(5))
    assert guest.hear() == [Pong(5)]


def test_all_that_came_is_acknowledged(guest: Peer) -> None:
    stream, acknowledged = guest.opened(0), 0
    for _ in range(40):
        guest.data(0, bytes(WINDOW // 2))
        guest.session.consumed(stream, WINDOW // 2)
        for ack in guest.hear():
            if isinstance(ack, Ack):
                acknowledged += ack.size
                assert acknowledged == guest.sent
        assert guest.sent - acknowledged < ACK_EVERY
    assert acknowledged > 4 * ACK_EVERY


def test_a_window_as_large_as_its_field_can_say() -> None:
    """Section 3 sets no limit for it, but the first CREDIT then ends the session."""
    guest = Peer(Role.HOST, peer_offer=Offer(max_streams=8, window=0xFFFFFFFF))
    guest.opened(0)
    guest.say(Credit(0, 1))
