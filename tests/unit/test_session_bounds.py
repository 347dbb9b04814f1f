"""Whatever a peer sends: only the session ends, and memory stays what it was."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.peer import OURS, STREAMS, TARGET, THEIRS, WINDOW, Peer, queued
from vsocks.errors import BusyError, SessionLostError
from vsocks.events import Answered, Closed, Data, Ended, Event, Opened
from vsocks.frames import CHECK, CONTROL_ID, HEADER, MAX_LENGTH, epoch_of
from vsocks.handshake import Offer, Role
from vsocks.messages import (
    Ack,
    Close,
    CloseCode,
    Credit,
    End,
    Goodbye,
    Open,
    OpenResult,
    Ping,
    Pong,
    encode_message,
)

pytestmark = pytest.mark.unit

ROUNDS = 10_000


def obey(peer: Peer, events: list[Event]) -> None:
    """What the simplest daemon does: passes all data on, and ends what the peer ends."""
    session = peer.session
    for event in events:
        match event:
            case Opened(stream):
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


def test_a_guest_that_opens_and_closes_for_ever_costs_no_memory() -> None:
    guest = Peer(Role.HOST)
    most = 0
    for number in range(ROUNDS):
        stream = number % STREAMS
        obey(guest, guest.say(Open(stream, TARGET), Ping(number)))
        obey(guest, guest.data(stream, b"x"))
        obey(guest, guest.say(Close(stream, CloseCode.RESET)))
        guest.say(Ack(guest.heard_bytes()))
        guest.session.drained()
        if number == 10:
            most = queued(guest.session)
    assert 0 < queued(guest.session) <= most


def test_a_guest_that_opens_without_reading_runs_out_of_slots() -> None:
    """A slot isn't free before our CLOSE has left."""
    guest = Peer(Role.HOST)
    for stream in range(STREAMS):
        obey(guest, guest.say(Open(stream, TARGET), Close(stream, CloseCode.RESET)))
    with pytest.raises(SessionLostError, match="in use"):
        guest.say(Open(0, TARGET))
    assert queued(guest.session) < 10 * STREAMS


# -- any messages --------------------------------------------------------------------------

#: Mostly streams that exist, else few sessions would live for more than one message.
IDS = st.sampled_from([*range(STREAMS)] * 8 + [STREAMS, 0x7FFF, 0x8000, 0xFFFE, 0xFFFF])
SIZES = st.one_of(st.integers(0, 3 * WINDOW), st.sampled_from([1 << 31, (1 << 32) - 1]))
CODES = st.integers(0, 255)
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
)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("say"), MESSAGES),
        st.tuples(st.just("say"), MESSAGES),
        st.tuples(st.just("data"), IDS, st.integers(0, 2 * WINDOW)),
        st.tuples(st.just("raw"), st.sampled_from([CONTROL_ID, 0, 1]), st.binary(max_size=40)),
        st.tuples(st.just("write"), st.sampled_from([70_000, 200_000])),
        st.tuples(st.just("open")),
        st.tuples(st.just("send"), st.integers(0, STREAMS - 1), st.integers(1, 100_000)),
        st.tuples(st.just("end"), st.integers(0, STREAMS - 1)),
        st.tuples(st.just("close"), st.integers(0, STREAMS - 1), CODES),
        st.tuples(st.just("refuse"), st.integers(0, STREAMS - 1), st.integers(1, 255)),
        st.tuples(st.just("wait"), st.floats(0, 2)),
    ),
    min_size=20,
    max_size=60,
)


@given(st.sampled_from(list(Role)), STEPS, st.sampled_from([512, 0xFFFF]), st.booleans())
@settings(max_examples=150, deadline=None)
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
        assert queued(peer.session) < 60


def peer_with_streams(role: Role, max_frame: int) -> Peer:
    """A peer whose session has all streams but one open."""
    peer = Peer(role, peer_offer=Offer(max_streams=8, window=WINDOW, max_frame=max_frame))
    for stream in range(STREAMS - 1):
        peer.opened(stream) if role is Role.HOST else peer.answered()
    return peer


def perform(peer: Peer, name: str, *arguments: Any) -> list[Event]:
    session = peer.session
    match name, arguments:
        case "say", (message,):
            return peer.deliver(peer.frame(CONTROL_ID, encode_message(message)))
        case "data", (stream, size):
            return peer.data(stream, bytes(size))
        case "raw", (frame_id, payload):
            return peer.deliver(peer.frame(frame_id, payload))
        case "write", (space,):
            peer.hear(space)
            session.drained()
        case "wait", (seconds,):
            peer.now += seconds
            session.poll(peer.now)
        case "open", () if session._role is Role.GUEST:
            with suppress(BusyError):
                session.open(TARGET)
        case "send", (stream, size) if session._slots._streams[stream].outbound is None:
            session.send(session._slots._streams[stream], memoryview(bytes(size)))
        case "end", (stream,):
            session.end(session._slots._streams[stream])
        case "close", (stream, code):
            session.close(session._slots._streams[stream], code)
        case "refuse", (stream, reply):
            session.refuse(session._slots._streams[stream], reply)
    return []


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
