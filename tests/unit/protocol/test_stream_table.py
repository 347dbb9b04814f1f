"""Which stream has which id, and who may open it."""

from __future__ import annotations

import pytest

from vsocks.address import Target
from vsocks.errors import BusyError, ProtocolError
from vsocks.protocol.frames import CONTROL_ID, FIRST_HOST_ID
from vsocks.protocol.handshake import Role
from vsocks.protocol.stream_table import StreamTable
from vsocks.protocol.streams import Receiving, Sending, Stream

pytestmark = pytest.mark.unit

FIRST = {Role.GUEST: 0, Role.HOST: FIRST_HOST_ID}


def slots(role: Role, count: int = 3) -> StreamTable:
    return StreamTable(role, count, window=1000, peer_window=2000)


def other(role: Role) -> Role:
    return Role(1 - role)


def free(row: StreamTable, stream: Stream) -> None:
    row.last_word_received(stream)
    row.last_word_sent(stream)


@pytest.mark.parametrize("role", list(Role))
def test_each_side_opens_those_of_its_own_row_from_the_lowest_up(role: Role) -> None:
    row = slots(role)
    ids = [row.take_own().id for _ in range(3)]
    assert ids == [FIRST[role], FIRST[role] + 1, FIRST[role] + 2]
    with pytest.raises(BusyError, match="all 3 streams are taken"):
        row.take_own()


@pytest.mark.parametrize("role", list(Role))
def test_the_peer_opens_those_of_the_other_row(role: Role) -> None:
    row = slots(role)
    theirs = FIRST[other(role)]
    assert [row.take_peers(theirs + n).id for n in (2, 0, 1)] == [theirs + 2, theirs, theirs + 1]
    assert row.take_own().id == FIRST[role], "the rows are full each by itself"


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("count", [1, 3, FIRST_HOST_ID])
def test_the_peer_opens_none_beyond_either_row(role: Role, count: int) -> None:
    row = slots(role, count)
    row.take_peers(FIRST[other(role)])
    outside = {count, FIRST_HOST_ID - 1, FIRST_HOST_ID + count, 0xFFFE, CONTROL_ID}
    for number in outside if count < FIRST_HOST_ID else {CONTROL_ID}:
        with pytest.raises(ProtocolError, match=f"stream {number} opened; there are {count}"):
            row.take_peers(number)


@pytest.mark.parametrize("role", list(Role))
def test_the_peer_opens_none_of_ours(role: Role) -> None:
    row = slots(role)
    with pytest.raises(ProtocolError, match="that is for us to do"):
        row.take_peers(FIRST[role])


@pytest.mark.parametrize("role", list(Role))
def test_the_id_of_control_frames_is_no_streams_however_many_there_are(role: Role) -> None:
    row = slots(role, FIRST_HOST_ID)
    *others, last = (stream for stream in row._streams.values() if row.is_ours(stream))
    for stream in others:
        assert row.take_own() is stream
    assert row.take_own() is last
    assert last.id == (0x7FFF if role is Role.GUEST else 0xFFFE)
    with pytest.raises(BusyError, match=f"all {len(others) + 1} streams"):
        row.take_own()
    for use in (row.take_peers, row.used, row.live):
        with pytest.raises(ProtocolError):
            use(CONTROL_ID)


@pytest.mark.parametrize("role", list(Role))
def test_a_slot_in_use_is_not_taken_again_and_a_free_one_is(role: Role) -> None:
    row = slots(role)
    theirs = FIRST[other(role)]
    stream, ours = row.take_peers(theirs), [row.take_own() for _ in range(3)]
    with pytest.raises(ProtocolError, match=f"stream {theirs} opened while it is in use"):
        row.take_peers(theirs)
    free(row, stream)
    assert row.take_peers(theirs) is stream
    free(row, ours[1])
    assert row.take_own() is ours[1]


@pytest.mark.parametrize("role", list(Role))
def test_a_slot_is_taken_as_new(role: Role) -> None:
    row = slots(role)
    stream = row.take_own()
    stream.send_credit = stream.receive_credit = 7
    stream.outbound, stream.target = memoryview(b"x"), Target("a", 1)
    stream.reset_code = stream.refusal = stream.unreported = 7
    free(row, stream)
    assert row.take_own() is stream
    assert (stream.send_credit, stream.receive_credit) == (2000, 1000)
    assert (stream.sending, stream.receiving) == (Sending.OPEN, Receiving.AWAITED)
    left = {name: getattr(stream, name) for name in ("outbound", "target", "listening_at")}
    assert not any(left.values())
    assert not any((stream.reset_code, stream.refusal, stream.unreported))


@pytest.mark.parametrize("role", list(Role))
def test_only_the_one_who_opens_a_stream_waits_for_an_answer(role: Role) -> None:
    row = slots(role)
    ours, theirs = row.take_own(), row.take_peers(FIRST[other(role)])
    assert row.is_ours(ours)
    assert not row.is_ours(theirs)
    assert row.live(theirs.id) is theirs
    assert row.used(ours.id) is ours
    with pytest.raises(ProtocolError, match=f"used stream {ours.id} before it answered"):
        row.live(ours.id)
    ours.receiving = Receiving.OPEN
    assert row.live(ours.id) is ours


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("number", [0, 2, 3, FIRST_HOST_ID, FIRST_HOST_ID + 2, 0xFFFE, CONTROL_ID])
def test_nothing_is_said_about_a_slot_that_is_free(role: Role, number: int) -> None:
    row = slots(role)
    for use in (row.used, row.live):
        with pytest.raises(ProtocolError, match=f"stream {number}, which isn't open"):
            use(number)


@pytest.mark.parametrize("role", list(Role))
def test_a_slot_is_free_when_both_sides_are_through_and_not_before(role: Role) -> None:
    row = slots(role, 1)
    for first, last in ((row.last_word_sent, row.last_word_received),) * 2:
        stream = row.take_own()
        first(stream)
        with pytest.raises(BusyError):
            row.take_own()
        last(stream)
    stream = row.take_own()
    row.last_word_received(stream)
    row.last_word_sent(stream)
    assert row.take_own() is stream


@pytest.mark.parametrize("role", list(Role))
def test_the_lowest_free_slot_is_taken(role: Role) -> None:
    row = slots(role, 5)
    streams = [row.take_own() for _ in range(5)]
    for number in (3, 1, 4):
        free(row, streams[number])
    assert [row.take_own() for _ in range(3)] == [streams[1], streams[3], streams[4]]


@pytest.mark.parametrize("role", list(Role))
def test_each_row_counts_what_was_opened_in_it(role: Role) -> None:
    row = slots(role)
    theirs = FIRST[other(role)]
    labels = []
    for _ in range(3):
        ours = row.take_own()
        free(row, ours)
        labels.append(ours.label)
    labels += [row.take_peers(theirs + number).label for number in range(2)]
    letters = "ch" if role is Role.GUEST else "hc"
    assert labels == [f"{letters[0]}{n}" for n in (1, 2, 3)] + [f"{letters[1]}{n}" for n in (1, 2)]


def test_a_stream_says_what_it_is() -> None:
    row = slots(Role.GUEST)
    stream = row.take_own()
    assert repr(stream) == "<Stream c1 id=0x0000 OPEN/AWAITED credit=2000/1000 waiting=0>"
