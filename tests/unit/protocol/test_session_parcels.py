"""Parcels in a session: their place among the other frames, and what bounds them."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.protocol.peer import Heard, Peer, queued, waiting_parcels
from vsocks.address import Target
from vsocks.protocol.events import ParcelCame
from vsocks.protocol.frames import CONTROL_ID, OVERHEAD
from vsocks.protocol.handshake import Offer, Role
from vsocks.protocol.messages import Ack, Ping, Pong, encode_message
from vsocks.protocol.parcel_queue import DATAGRAM_BYTES, MAX_AGE, TOTAL_BYTES
from vsocks.protocol.parcels import (
    Ask,
    Associate,
    Associated,
    Datagram,
    Dissociate,
    Parcel,
    Tell,
    encode_parcel,
)

pytestmark = pytest.mark.unit

ADDRESS = Target("192.0.2.53", 53)
PARCELS: list[Parcel] = [
    Associate(1),
    Associated(1, 0),
    Datagram(1, ADDRESS, b"ping"),
    Dissociate(1),
    Ask(1, 1, b"a.de"),
    Tell(1, 0, b"\1"),
]
MANY = 64
BULK = memoryview(bytes(1 << 25))


def datagram(number: int, size: int = 100) -> Datagram:
    return Datagram(number, ADDRESS, bytes(size))


def busy(streams: int, max_frame: int = 0xFFFF) -> Peer:
    """A guest that takes any amount of data, with so many streams that have it."""
    large = Offer(max_streams=MANY, window=1 << 30, max_frame=max_frame)
    guest = Peer(Role.HOST, offer=Offer(max_streams=MANY), peer_offer=large)
    for number in range(streams):
        stream = guest.opened(number)
        guest.session.send(stream, BULK)
    return guest


def order(heard: list[Heard]) -> str:
    """The data and the parcels among what was heard: d and p."""
    letters = ["d" if type(item) is tuple else "p" for item in heard if _counts(item)]
    return "".join(letters)


def _counts(item: Heard) -> bool:
    return isinstance(item, (tuple, Associate, Associated, Datagram, Dissociate, Ask, Tell))


def post(guest: Peer, *parcels: Parcel) -> bool:
    """Post them all; False if one was dropped."""
    return sum(guest.session.post(parcel, guest.now) for parcel in parcels) == len(parcels)


# -- there ---------------------------------------------------------------------------------


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("parcel", PARCELS, ids=lambda parcel: type(parcel).__name__)
def test_a_parcel_goes_through_whole(role: Role, parcel: Parcel) -> None:
    peer = Peer(role)
    assert post(peer, parcel)
    assert peer.talk() == [parcel]
    assert not peer.talk()
    assert peer.say(parcel) == [ParcelCame(parcel)]


def test_parcels_keep_their_order() -> None:
    guest = Peer(Role.HOST)
    parcels = [*PARCELS, *(datagram(number) for number in range(500)), *PARCELS]
    assert post(guest, *parcels)
    assert guest.talk() == parcels


def test_a_parcel_is_of_no_stream() -> None:
    """Neither does its number name one, nor does it take credit."""
    guest = Peer(Role.HOST)
    guest.opened(0)
    guest.data(0, bytes(4096))
    assert guest.say(datagram(0, 5000)) == [ParcelCame(datagram(0, 5000))]
    assert guest.say(Dissociate(0)) == [ParcelCame(Dissociate(0))]
    assert guest.session._table._streams[0].in_use


# -- turns ---------------------------------------------------------------------------------


def test_control_messages_go_before_parcels() -> None:
    guest = Peer(Role.HOST)
    guest.hear()
    post(guest, *PARCELS)
    guest.say(Ping(7))
    assert guest.hear() == [Pong(7), *PARCELS]


def test_parcels_wait_while_a_control_message_has_no_room() -> None:
    guest = Peer(Role.HOST)
    guest.hear()
    post(guest, Associate(1))
    guest.say(Ping(7))
    assert not guest.hear(space=500)
    assert guest.hear() == [Pong(7), Associate(1)]


@pytest.mark.parametrize("streams", [1, 2, MANY])
def test_a_parcel_and_a_stream_take_turns(streams: int) -> None:
    guest = busy(streams)
    guest.hear()
    guest.say(Ack(guest.session._outbox.flight.unacked))
    post(guest, *(datagram(number) for number in range(5)))
    assert order(guest.hear())[:11] == "pdpdpdpdpdd"[:11]


@pytest.mark.parametrize("streams", [1, MANY])
@pytest.mark.parametrize("size", [0, 1400, 9000, 60_000])
@pytest.mark.parametrize("taken", [2000, 16 * 1024, 1 << 20])
def test_they_take_turns_however_little_the_channel_takes_at_once(
    streams: int, size: int, taken: int
) -> None:
    """Neither do streams wait for parcels without end, nor parcels for streams."""
    guest = busy(streams)
    turns = ""
    for _ in range(1000):
        while post(guest, datagram(1, size)):
            pass
        turns += order(guest.hear(space=1 << 17))
        guest.say(Ack(min(taken, guest.session._outbox.flight.unacked)))
        if turns.count("p") > 20:
            break
    assert turns.count("p") > 20
    assert "pp" not in turns
    # Where a parcel has no room behind what was written at once, a stream goes first.
    assert "ddd" not in turns
    assert size == 60_000 or "dd" not in turns


def test_streams_take_turns_among_themselves_beside_parcels() -> None:
    guest = busy(MANY)
    streams: list[int] = []
    for _ in range(30):
        while post(guest, datagram(1)):
            pass
        streams += [item[0] for item in guest.hear() if isinstance(item, tuple)]
        guest.say(Ack(guest.session._outbox.flight.unacked))
    assert streams == [number % MANY for number in range(len(streams))]
    assert len(streams) > MANY


@pytest.mark.parametrize("parcels", [[], PARCELS])
def test_when_no_parcel_waits_streams_have_all_turns(parcels: list[Parcel]) -> None:
    guest = busy(2)
    post(guest, *parcels)
    turns = ""
    for _ in range(10):
        turns += order(guest.hear())
        guest.say(Ack(guest.session._outbox.flight.unacked))
    assert turns.count("p") == len(parcels)
    assert set(turns[2 * len(parcels) :]) == {"d"}


# -- space ---------------------------------------------------------------------------------


@given(
    st.sampled_from([512, 4096, 0xFFFF]),
    st.lists(st.integers(0, 66_000), min_size=1, max_size=30),
    st.lists(st.integers(0, 70_000), max_size=40),
    st.booleans(),
)
@settings(max_examples=150)
def test_little_space_loses_no_parcel(
    max_frame: int, sizes: list[int], spaces: list[int], streams: bool
) -> None:
    """What doesn't fit waits for the next time; what was put in comes out, once, in order."""
    guest = busy(int(streams), max_frame)
    parcels = [datagram(number, size) for number, size in enumerate(sizes)]
    parcels = [parcel for parcel in parcels if post(guest, parcel)]
    heard: list[Heard] = []
    for space in [*spaces, *[1 << 17] * 3 * len(parcels)]:
        heard += guest.hear(space)
        guest.say(Ack(guest.session._outbox.flight.unacked))
    assert [item for item in heard if isinstance(item, Datagram)] == parcels


def test_a_parcel_fits_into_exactly_its_space() -> None:
    guest = Peer(Role.HOST)
    guest.hear()
    parcel = datagram(1, 2000)
    post(guest, parcel)
    space = len(encode_parcel(parcel)) + OVERHEAD
    assert not guest.hear(space - 1)
    assert guest.hear(space) == [parcel]


def test_a_parcel_without_room_does_not_hold_up_a_stream() -> None:
    guest = busy(1)
    guest.hear(space=600)
    post(guest, datagram(1, 60_000))
    assert order(guest.hear(space=30_000)) == "d" * 1
    assert "p" in order(guest.hear())[:2]


@pytest.mark.parametrize("max_frame", [512, 4096])
def test_a_parcel_that_no_frame_of_the_peer_can_carry_is_dropped(max_frame: int) -> None:
    guest = busy(0, max_frame)
    longest = max_frame - 8 - len(encode_parcel(datagram(1, 0)))
    assert post(guest, datagram(1, longest))
    assert not post(guest, datagram(2, longest + 1))
    assert guest.talk() == [datagram(1, longest)]
    assert guest.session.dropped == 1


def test_the_lesser_frame_of_the_two_offers_counts() -> None:
    """Our own daemon, started anew, pads by what it takes itself."""
    guest = Peer(Role.HOST, offer=Offer(max_frame=600), peer_offer=Offer(max_frame=9000))
    assert not post(guest, datagram(1, 600))


# -- what is on its way --------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1400, 60_000])
@pytest.mark.parametrize("streams", [0, 1, MANY])
def test_without_acknowledgements_little_more_than_the_limit_is_sent(
    size: int, streams: int
) -> None:
    guest = busy(streams)
    guest.hear()
    guest.say(Ack(guest.session._outbox.flight.unacked))
    limit = guest.session._outbox.flight.limit
    written = 0
    for _ in range(100):
        while post(guest, datagram(1, size)):
            pass
        written += guest.heard_bytes(space=1 << 17)
        guest.now += 0.1
    one_parcel = len(encode_parcel(datagram(1, size))) + OVERHEAD
    assert limit // 2 <= written <= limit + one_parcel
    assert guest.session.dropped > 0


def test_datagrams_that_the_channel_did_not_take_in_time_are_never_sent() -> None:
    guest = busy(1)
    guest.hear()
    post(guest, datagram(1), Ask(1, 1, b"a.de"), Associate(2), datagram(2))
    assert "p" not in order(guest.hear())
    guest.now += MAX_AGE + 0.01
    post(guest, datagram(3))
    guest.say(Ack(guest.session._outbox.flight.unacked))
    heard = [item for item in guest.hear() if isinstance(item, (Datagram, Ask, Associate))]
    assert heard == [Ask(1, 1, b"a.de"), Associate(2), datagram(3)]
    assert guest.session.dropped == 2


def test_when_all_is_late_nothing_is_sent() -> None:
    guest = Peer(Role.HOST)
    guest.hear()
    post(guest, datagram(1))
    guest.now += MAX_AGE + 0.01
    assert guest.write() == b""
    assert guest.session.dropped == 1


# -- memory --------------------------------------------------------------------------------


@pytest.mark.parametrize("parcel", [*PARCELS, datagram(1, 60_000), Tell(1, 0, bytes(60_000))])
def test_for_a_peer_that_never_acknowledges_no_memory_is_taken(parcel: Parcel) -> None:
    guest = busy(3)
    guest.hear()
    before = queued(guest.session)
    tracemalloc.start()
    try:
        for _ in range(10_000):
            post(guest, parcel)
            guest.write(space=1 << 12)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    bound = DATAGRAM_BYTES if isinstance(parcel, Datagram) else TOTAL_BYTES
    assert sum(map(len, waiting_parcels(guest.session))) <= bound
    assert peak < 1.1 * bound + (1 << 16)
    assert queued(guest.session) - len(waiting_parcels(guest.session)) < before + 10


@pytest.mark.parametrize("role", list(Role))
def test_a_peer_that_floods_parcels_costs_no_memory(role: Role) -> None:
    """Also when each is answered, and the peer reads nothing."""
    peer = Peer(role)
    frames = [encode_message(parcel) for parcel in PARCELS]
    answers: dict[type[Parcel], Parcel] = {
        Associate: Associated(1, 1),
        Ask: Tell(1, 0, bytes(3000)),
        Datagram: datagram(1),
    }
    before = queued(peer.session)
    tracemalloc.start()
    try:
        for number in range(5000):
            for event in peer.deliver(peer.frame(CONTROL_ID, frames[number % len(frames)])):
                assert isinstance(event, ParcelCame)
                if (answer := answers.get(type(event.parcel))) is not None:
                    post(peer, answer)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1.2 * TOTAL_BYTES
    assert queued(peer.session) - len(waiting_parcels(peer.session)) < before + 10


def test_the_session_goes_on_after_a_flood_of_parcels() -> None:
    guest = Peer(Role.HOST)
    while post(guest, datagram(1, 1400)):
        pass
    stream = guest.opened(0)
    guest.session.send(stream, memoryview(b"still here"))
    heard = guest.talk()
    assert (0, b"still here") in heard[:3]
    assert heard.count(datagram(1, 1400)) > 100
