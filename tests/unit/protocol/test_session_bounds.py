"""Whatever a peer sends: only the session ends, and memory stays what it was."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.protocol.peer import (
    OURS,
    STREAMS,
    TARGET,
    THEIRS,
    WINDOW,
    Peer,
    queued,
    waiting_parcels,
)
from vsocks.errors import BusyError, SessionLostError
from vsocks.protocol.events import Answered, Closed, Data, Ended, Opened, ParcelCame, SessionEvent
from vsocks.protocol.frames import CHECK, CONTROL_ID, FIRST_HOST_ID, HEADER, MAX_LENGTH, epoch_of
from vsocks.protocol.handshake import Offer, Role
from vsocks.protocol.messages import (
    Ack,
    Close,
    CloseCode,
    Credit,
    End,
    Goodbye,
    Listen,
    Listening,
    Open,
    OpenResult,
    Ping,
    Pong,
    encode_message,
)
from vsocks.protocol.parcel_queue import TOTAL_BYTES
from vsocks.protocol.parcels import Ask, Associate, Associated, Datagram, Dissociate, Tell
from vsocks.protocol.streams import Stream

pytestmark = pytest.mark.unit

ROUNDS = 10_000


def obey(peer: Peer, events: list[SessionEvent]) -> None:
    """What the simplest daemon does: passes all data on, and ends what the peer ends."""
    session = peer.session
    for event in events:
        match event:
            case Opened(stream, _, listens):
                if listens:
                    session.listening(stream, TARGET)
                session.accept(stream, TARGET)
                session.send(stream, memoryview(b"welcome"))
            case Data(stream, data):
                session.consumed(stream, len(data))
            case Ended(stream):
                session.end(stream)
            case Closed(stream, code):
                session.close(stream, code)
            case Answered(stream, reply) if reply:
                session.close(stream)
            case ParcelCame(Associate(number)):
                session.post(Associated(number, 0), peer.now)
            case ParcelCame(Ask(number, _, data)):
                session.post(Tell(number, 0, data), peer.now)
            case ParcelCame(Datagram() as datagram):
                session.post(datagram, peer.now)


# -- memory --------------------------------------------------------------------------------


def test_a_guest_that_never_reads_costs_no_memory() -> None:
    """It opens all that it may, and sends what is always allowed, for ever."""
    guest = Peer(Role.HOST)
    for stream in range(STREAMS):
        obey(guest, guest.say(Open(stream, TARGET)))
    # Each stream has a different one of the messages that make the host answer or send.
    obey(guest, guest.say(End(0), Close(1, CloseCode.RESET)))
    obey(guest, guest.data(2, bytes(WINDOW)))
    before = queued(guest.session)
    for token in range(ROUNDS):
        obey(guest, guest.say(Ping(token), Pong(token), Credit(0, 1), Credit(2, 1), Ack(0)))
        optional = bytes([0xFF]) + bytes(100)
        obey(guest, guest.deliver(guest.frame(CONTROL_ID, optional)))
        guest.data(2, b"")
        guest.now += 1.5
        guest.session.poll(guest.now)
        if token == 0:
            before = queued(guest.session)
    assert queued(guest.session) <= before + STREAMS


#: Whoever may ask for a stream: the role of the session, the message, and its first slot.
ASKING = pytest.mark.parametrize(
    ("role", "ask", "first"),
    [
        pytest.param(Role.HOST, Open, 0, id="a guest opens"),
        pytest.param(Role.HOST, Listen, 0, id="a guest listens"),
        pytest.param(Role.GUEST, Open, FIRST_HOST_ID, id="a host opens"),
    ],
)


@ASKING
def test_a_peer_that_asks_and_closes_for_ever_costs_no_memory(
    role: Role, ask: type[Open | Listen], first: int
) -> None:
    peer = Peer(role)
    most = 0
    for number in range(ROUNDS):
        stream = first + number % STREAMS
        obey(peer, peer.say(ask(stream, TARGET), Ping(number)))
        obey(peer, peer.data(stream, b"x"))
        obey(peer, peer.say(Close(stream, CloseCode.RESET)))
        peer.say(Ack(peer.heard_bytes()))
        peer.session.drained()
        if number == 10:
            most = queued(peer.session)
    assert 0 < queued(peer.session) <= most


@ASKING
@pytest.mark.parametrize("refused", [False, True], ids=["accepted", "refused"])
def test_a_peer_that_asks_without_reading_runs_out_of_slots(
    role: Role, ask: type[Open | Listen], first: int, refused: bool
) -> None:
    """A slot isn't free before our CLOSE, or our refusal, has left."""
    peer = Peer(role)
    for stream in range(first, first + STREAMS):
        events = peer.say(ask(stream, TARGET), Close(stream, CloseCode.RESET))
        if refused:
            peer.session.refuse(peer.session._table._streams[stream], 1)
        else:
            obey(peer, events)
    with pytest.raises(SessionLostError, match="in use"):
        peer.say(ask(first, TARGET))
    assert queued(peer.session) < 12 * STREAMS


@pytest.mark.parametrize("role", list(Role))
def test_a_peer_that_floods_all_that_is_always_allowed_costs_no_memory(role: Role) -> None:
    """Parcels and numbers without end, each answered, and nothing of it read."""
    peer = Peer(role)
    before = queued(peer.session)
    for number in range(ROUNDS):
        association = Associate(number), Datagram(number, TARGET, bytes(99)), Dissociate(number)
        obey(peer, peer.say(*association, Ask(number, 3, bytes(500)), Tell(number, 0, b"x")))
        peer.now += 0.01
    assert sum(map(len, waiting_parcels(peer.session))) <= TOTAL_BYTES
    assert queued(peer.session) - len(waiting_parcels(peer.session)) <= before + 1


# -- any messages --------------------------------------------------------------------------

ALL_STREAMS = [*range(STREAMS), *range(FIRST_HOST_ID, FIRST_HOST_ID + STREAMS)]
#: Mostly streams that exist, else few sessions would live for more than one message.
IDS = st.sampled_from(ALL_STREAMS * 8 + [STREAMS, 0x7FFF, FIRST_HOST_ID + STREAMS, 0xFFFF])
EXISTING = st.sampled_from(ALL_STREAMS)
SIZES = st.one_of(st.integers(0, 3 * WINDOW), st.sampled_from([1 << 31, (1 << 32) - 1]))
CODES = st.integers(0, 255)
NUMBERS = st.integers(0, 3)
PARCELS = st.one_of(
    st.builds(Associate, NUMBERS),
    st.builds(Associated, NUMBERS, CODES),
    st.builds(Datagram, NUMBERS, st.just(TARGET), st.sampled_from([b"", bytes(99), bytes(5000)])),
    st.builds(Dissociate, NUMBERS),
    st.builds(Ask, NUMBERS, CODES, st.binary(max_size=40)),
    st.builds(Tell, NUMBERS, CODES, st.binary(max_size=40)),
)
MESSAGES = st.one_of(
    st.builds(Open, IDS, st.just(TARGET)),
    st.builds(OpenResult, IDS, st.sampled_from([0, 0, 5, 255]), st.none() | st.just(TARGET)),
    st.builds(Credit, IDS, SIZES),
    st.builds(End, IDS),
    st.builds(Close, IDS, CODES),
    st.builds(Ack, st.one_of(st.integers(0, 60), SIZES)),
    st.builds(Ping, st.integers(0, (1 << 64) - 1)),
    st.builds(Pong, st.integers(0, (1 << 64) - 1)),
    st.builds(Goodbye, st.text(st.characters(codec="utf-8"), max_size=9)),
    st.builds(Listen, IDS, st.just(TARGET)),
    st.builds(Listening, IDS, st.just(TARGET)),
    PARCELS,
)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("say"), MESSAGES),
        st.tuples(st.just("say"), MESSAGES),
        st.tuples(st.just("data"), IDS, st.integers(0, 2 * WINDOW)),
        st.tuples(st.just("raw"), st.sampled_from([CONTROL_ID, 0, 1]), st.binary(max_size=40)),
        st.tuples(st.just("write"), st.sampled_from([70_000, 200_000])),
        st.tuples(st.just("flood"), PARCELS, st.integers(0, 3000)),
        st.tuples(st.just("open")),
        st.tuples(st.just("listen")),
        st.tuples(st.just("accept"), EXISTING),
        st.tuples(st.just("listening"), EXISTING),
        st.tuples(st.just("send"), EXISTING, st.integers(1, 100_000)),
        st.tuples(st.just("end"), EXISTING),
        st.tuples(st.just("close"), EXISTING, CODES),
        st.tuples(st.just("refuse"), EXISTING, st.integers(1, 255)),
        st.tuples(st.just("post"), PARCELS),
        st.tuples(st.just("wait"), st.floats(0, 2)),
    ),
    min_size=20,
    max_size=60,
)


@given(st.sampled_from(list(Role)), STEPS, st.sampled_from([512, 0xFFFF]), st.booleans())
@settings(max_examples=150)
def test_messages_in_any_order_cost_at_most_the_session(
    role: Role, steps: list[tuple[Any, ...]], max_frame: int, obedient: bool
) -> None:
    peer = peer_with_streams(role, max_frame)
    for step in steps:
        try:
            events = perform(peer, *step)
        except SessionLostError:
            peer = peer_with_streams(role, max_frame)
            continue
        if obedient:
            obey(peer, events)
        parcels = waiting_parcels(peer.session)
        assert queued(peer.session) - len(parcels) < 100
        assert sum(map(len, parcels)) <= TOTAL_BYTES


def peer_with_streams(role: Role, max_frame: int) -> Peer:
    """A peer whose session has all streams but one of each side open."""
    peer = Peer(role, peer_offer=Offer(max_streams=8, window=WINDOW, max_frame=max_frame))
    theirs = 0 if role is Role.HOST else FIRST_HOST_ID
    for number in range(STREAMS - 1):
        peer.opened(theirs + number)
        peer.answered()
    return peer


def perform(peer: Peer, name: str, *arguments: Any) -> list[SessionEvent]:
    session = peer.session
    match name, arguments:
        case "say", (message,):
            return peer.say(message)
        case "data", (stream, size):
            return peer.data(stream, bytes(size))
        case "raw", (frame_id, payload):
            return peer.deliver(peer.frame(frame_id, payload))
        case "flood", (parcel, times):
            payload = encode_message(parcel)
            return peer.deliver(b"".join(peer.frame(CONTROL_ID, payload) for _ in range(times)))
        case "write", (space,):
            peer.hear(space)
            session.drained()
        case "wait", (seconds,):
            peer.now += seconds
            session.poll(peer.now)
        case (("open" | "listen"), ()):
            with suppress(BusyError):
                session.open(TARGET) if name == "open" else session.listen(TARGET)
        case "post", (parcel,):
            session.post(parcel, peer.now)
        case _, (stream, *rest):
            act(peer, name, session._table._streams[stream], *rest)
    return []


def act(peer: Peer, name: str, stream: Stream, *arguments: int) -> None:
    """The daemon does something with a stream that it may do."""
    session = peer.session
    match name, arguments:
        case "send", (size,) if stream.outbound is None:
            session.send(stream, memoryview(bytes(size)))
        case "end", ():
            session.end(stream)
        case "close", (code,):
            session.close(stream, code)
        case "accept", ():
            session.accept(stream, TARGET)
        case "refuse", (reply,):
            session.refuse(stream, reply)
        case "listening", () if stream.listening_at is None:
            session.listening(stream, TARGET)


def test_a_guest_that_sends_4_gib_before_it_reads() -> None:
    """The acknowledgement that is due then has no room for such a number."""
    guest = Peer(Role.HOST)
    frame = bytearray(HEADER.pack(CONTROL_ID, MAX_LENGTH) + bytes(MAX_LENGTH))
    frame[HEADER.size] = 0xFF
    epoch = epoch_of(THEIRS, OURS)
    view = memoryview(frame)
    for number in range((1 << 32) // len(frame) + 1):
        CHECK.pack_into(frame, len(frame) - CHECK.size, epoch, number)
        assert not list(guest.session.receive(view, 0.0))
    assert guest.hear()
