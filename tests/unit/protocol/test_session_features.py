"""What the hellos say that a side can do, and that nobody is sent what it can't."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.protocol.original_peer import OriginalPeer
from tests.unit.protocol.peer import STREAMS, TARGET, THEIRS, WINDOW, Peer
from vsocks.address import Target
from vsocks.errors import NotSupportedError
from vsocks.protocol.any_session import AnySession
from vsocks.protocol.endpoint import MAX_OUTPUT, Endpoint, EndpointConfig
from vsocks.protocol.events import SessionEvent
from vsocks.protocol.frames import HEADER
from vsocks.protocol.handshake import ALL_FEATURES, Feature, Hello, Offer, Role
from vsocks.protocol.messages import Open, OpenResult
from vsocks.protocol.parcels import Datagram
from vsocks.protocol.session import Session

pytestmark = pytest.mark.unit

FEATURES = st.integers(0, ALL_FEATURES).map(Feature)
NONE = Feature(0)
#: Where the features are in the frame of a hello.
FEATURES_AT = HEADER.size + 42

#: What needs a feature, and which; in the role that may ask for it.
NEEDS: dict[str, tuple[Role, Feature, Callable[[AnySession], object]]] = {
    "open() by the host": (Role.HOST, Feature.HOST_STREAMS, lambda session: session.open(TARGET)),
    "listen()": (Role.GUEST, Feature.LISTENING, lambda session: session.listen(TARGET)),
    "require(DATAGRAMS)": (
        Role.GUEST,
        Feature.DATAGRAMS,
        lambda session: session.require(Feature.DATAGRAMS),
    ),
    "require(QUESTIONS)": (
        Role.GUEST,
        Feature.QUESTIONS,
        lambda session: session.require(Feature.QUESTIONS),
    ),
}


def peer_with(role: Role, ours: Feature, theirs: Feature) -> Peer:
    return Peer(
        role,
        offer=Offer(max_streams=STREAMS, window=WINDOW, features=ours),
        peer_offer=Offer(max_streams=8, window=WINDOW, features=theirs),
    )


def hello_with(role: Role, bits: int, echo: int) -> bytes:
    """A hello whose features are any bits."""
    frame = bytearray(Hello(role, THEIRS, echo, Offer()).encode())
    struct.pack_into("<H", frame, FEATURES_AT, bits)
    struct.pack_into("<I", frame, len(frame) - 4, zlib.crc32(frame[HEADER.size : -4]))
    return bytes(frame)


# -- both sides ----------------------------------------------------------------------------


@given(st.sampled_from(list(Role)), FEATURES, FEATURES)
def test_a_session_has_the_features_that_both_sides_have(
    role: Role, ours: Feature, theirs: Feature
) -> None:
    session = peer_with(role, ours, theirs).session
    assert session.features == ours & theirs
    for feature in Feature:
        if feature in ours and feature in theirs:
            session.require(feature)
        else:
            with pytest.raises(NotSupportedError, match="of a version that can't do this"):
                session.require(feature)


@pytest.mark.parametrize("lacks", ["ours", "theirs"])
@pytest.mark.parametrize("name", NEEDS)
def test_without_its_feature_nothing_is_sent_and_no_slot_taken(name: str, lacks: str) -> None:
    role, feature, ask = NEEDS[name]
    rest = ALL_FEATURES & ~feature
    peer = (
        peer_with(role, rest, ALL_FEATURES)
        if lacks == "ours"
        else peer_with(role, ALL_FEATURES, rest)
    )
    for _ in range(STREAMS + 1):
        with pytest.raises(NotSupportedError):
            ask(peer.session)
    assert not peer.talk()
    assert not any(stream.in_use for stream in peer.session._table._streams.values())


@pytest.mark.parametrize("name", NEEDS)
def test_the_feature_alone_is_enough(name: str) -> None:
    role, feature, ask = NEEDS[name]
    ask(peer_with(role, feature, feature).session)


def test_with_a_peer_that_has_none_streams_of_the_guest_go_on_as_ever() -> None:
    host = peer_with(Role.GUEST, ALL_FEATURES, NONE)
    stream = host.session.open(TARGET)
    assert host.talk() == [Open(0, TARGET)]
    host.say(OpenResult(0, 0, None))
    host.session.send(stream, memoryview(b"data"))
    assert host.talk() == [(0, b"data")]
    assert peer_with(Role.HOST, ALL_FEATURES, NONE).opened(0)


# -- hellos as they come -------------------------------------------------------------------


def session_after(role: Role, bits: int) -> Session:
    """The session of an endpoint that has met a peer with those features in its hello."""
    endpoint = Endpoint(EndpointConfig(role), 0.0, lambda size: bytes([7] * size))
    hello = hello_with(Role(1 - role), bits, int.from_bytes(bytes([7] * 8), "little"))
    endpoint.buffer()[: len(hello)] = hello
    events: list[SessionEvent] = list(endpoint.received(len(hello), 0.0))
    session = endpoint.session
    assert isinstance(session, Session), events
    assert endpoint.write_into(memoryview(bytearray(2 * MAX_OUTPUT)), 0.0)
    return session


@pytest.mark.parametrize("role", list(Role))
@given(st.integers(0, 0xFFFF))
def test_unknown_bits_are_nothing(role: Role, bits: int) -> None:
    assert session_after(role, bits).features == Feature(bits & 0x000F)


@pytest.mark.parametrize("bits", [0, 0xFFF0])
def test_a_host_opens_nothing_at_an_older_guest(bits: int) -> None:
    session = session_after(Role.HOST, bits)
    with pytest.raises(NotSupportedError):
        session.open(TARGET)
    assert not session.write_into(memoryview(bytearray(MAX_OUTPUT)), 0.0)


def test_our_hello_says_what_we_can_do() -> None:
    for features in (ALL_FEATURES, NONE, Feature.DATAGRAMS):
        frame = Hello(Role.GUEST, 1, 0, Offer(features=features)).encode()
        assert struct.unpack_from("<H", frame, FEATURES_AT) == (features,)


# -- the original wire ---------------------------------------------------------------------


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("feature", list(Feature))
def test_the_original_wire_has_no_features(role: Role, feature: Feature) -> None:
    peer = OriginalPeer(role)
    assert peer.session.features == NONE
    with pytest.raises(NotSupportedError, match="original wire"):
        peer.session.require(feature)


@pytest.mark.parametrize("name", NEEDS)
def test_what_needs_a_feature_can_not_be_asked_for_on_the_original_wire(name: str) -> None:
    role, _, ask = NEEDS[name]
    peer = OriginalPeer(role)
    for _ in range(10):
        with pytest.raises(NotSupportedError, match="original wire"):
            ask(peer.session)
    assert not peer.hear()


@pytest.mark.parametrize("role", list(Role))
def test_parcels_and_places_have_no_form_on_the_original_wire(role: Role) -> None:
    peer = OriginalPeer(role)
    assert not peer.session.post(Datagram(1, TARGET, b"lost"), 0.0)
    if role is Role.HOST:
        peer.session.listening(peer.opened(0), Target("192.0.2.1", 1))
    assert not peer.hear()
