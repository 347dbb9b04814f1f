"""Frames and control messages that a session takes, skips, or ends with."""

from __future__ import annotations

import pytest

from tests.unit.protocol.peer import OURS, STREAMS, TARGET, THEIRS, WINDOW, Peer
from vsocks.errors import ProtocolError, SessionLostError
from vsocks.protocol.events import Opened
from vsocks.protocol.frames import CONTROL_ID
from vsocks.protocol.handshake import Hello, Offer, Role
from vsocks.protocol.messages import (
    Ack,
    Close,
    Credit,
    End,
    Goodbye,
    Message,
    Open,
    Ping,
    Pong,
    encode_message,
)

pytestmark = pytest.mark.unit


# -- frames --------------------------------------------------------------------------------


def test_a_frame_longer_than_promised() -> None:
    guest = Peer(Role.HOST, Offer(max_streams=STREAMS, window=WINDOW, max_frame=1024))
    guest.opened(0)
    guest.data(0, bytes(1024 - 8))
    too_long = guest.frame(0, bytes(1024 - 7))
    with pytest.raises(ProtocolError, match="a frame of 1025 bytes; 1024 are allowed"):
        guest.deliver(too_long[:4])  # Known from the header alone.


@pytest.mark.parametrize("length", range(8))
def test_a_frame_too_short_for_its_check(guest: Peer, length: int) -> None:
    with pytest.raises(ProtocolError, match="too short"):
        guest.deliver(bytes([0, 0, length, 0]) + bytes(length))


@pytest.mark.parametrize("at", range(-8, 0))
def test_a_check_with_a_wrong_byte(guest: Peer, at: int) -> None:
    frame = bytearray(guest.frame(CONTROL_ID, encode_message(Open(0, TARGET))))
    frame[at] ^= 0x10
    with pytest.raises(ProtocolError, match="wrong check"):
        guest.deliver(bytes(frame))


def test_a_frame_that_comes_twice(guest: Peer) -> None:
    frame = guest.frame(CONTROL_ID, encode_message(Ping(1)))
    guest.deliver(frame)
    with pytest.raises(ProtocolError, match="wrong check"):
        guest.deliver(frame)


def test_a_frame_that_is_missing(guest: Peer) -> None:
    guest.frame(CONTROL_ID, encode_message(Ping(1)))
    with pytest.raises(ProtocolError, match="wrong check"):
        guest.say(Ping(2))


def test_our_own_frames_come_back(guest: Peer) -> None:
    with pytest.raises(ProtocolError, match="wrong check"):
        guest.deliver(guest.write())


# -- messages ------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [0x00, 0x01, 0x0F, 0x19, 0x7F])
def test_an_unknown_message(guest: Peer, kind: int) -> None:
    with pytest.raises(ProtocolError, match=f"{kind:#04x}.*no such kind"):
        guest.deliver(guest.frame(CONTROL_ID, bytes([kind]) + b"whatever"))


@pytest.mark.parametrize("kind", [0x88, 0xC3, 0xFF])
def test_an_unknown_message_that_is_optional_is_skipped(guest: Peer, kind: int) -> None:
    assert not guest.deliver(guest.frame(CONTROL_ID, bytes([kind]) + b"whatever"))
    assert guest.opened(0)


@pytest.mark.parametrize(
    "message", [Open(0, TARGET), Credit(0, 1), End(0), Close(0, 0), Ack(0), Ping(1), Pong(1)]
)
def test_a_message_cut_short_or_with_something_behind_it(message: Message) -> None:
    payload = encode_message(message)
    for wrong in (payload[:-1], payload + b"\0"):
        guest = Peer(Role.HOST)
        if not isinstance(message, Open):
            guest.opened(0)
        with pytest.raises(ProtocolError, match="bad control message"):
            guest.deliver(guest.frame(CONTROL_ID, wrong))


def test_an_empty_control_frame(guest: Peer) -> None:
    with pytest.raises(ProtocolError, match="bad control message"):
        guest.deliver(guest.frame(CONTROL_ID, b""))


@pytest.mark.parametrize("address", ["", "03 00 0050", "03 01 0a 0050", "02 00000000 0050"])
def test_an_open_of_nowhere(guest: Peer, address: str) -> None:
    payload = b"\x10\0\0" + bytes.fromhex(address)
    with pytest.raises(ProtocolError, match="bad control message of kind 0x10"):
        guest.deliver(guest.frame(CONTROL_ID, payload))


# -- endings -------------------------------------------------------------------------------


def test_goodbye_ends_the_session_with_its_reason(guest: Peer) -> None:
    with pytest.raises(SessionLostError, match="said goodbye: it rains") as caught:
        guest.say(Goodbye("it rains"))
    assert not isinstance(caught.value, ProtocolError)


def test_the_reason_of_a_goodbye_can_not_write_to_the_log(guest: Peer) -> None:
    with pytest.raises(SessionLostError) as caught:
        guest.say(Goodbye("a\nb\x1b[31m\u202e"))
    assert str(caught.value).isprintable()


def test_our_goodbye(guest: Peer) -> None:
    guest.session.goodbye("it is late")
    assert Goodbye("it is late") in guest.hear()


def hello(role: Role, nonce: int = THEIRS, echo: int = OURS) -> bytes:
    return Hello(role, nonce, echo, Offer()).encode()


def test_the_hello_of_a_peer_that_has_not_had_ours_is_answered(guest: Peer) -> None:
    guest.deliver(hello(Role.GUEST))
    assert guest.session.hello_due


def test_a_hello_that_was_still_on_its_way_needs_no_answer(guest: Peer) -> None:
    guest.say(Ping(1))
    guest.deliver(hello(Role.GUEST))
    assert not guest.session.hello_due


@pytest.mark.parametrize(("nonce", "echo"), [(THEIRS + 1, OURS), (THEIRS, OURS + 1), (THEIRS, 0)])
def test_the_hello_of_a_peer_that_has_started_anew(guest: Peer, nonce: int, echo: int) -> None:
    with pytest.raises(SessionLostError, match="started anew"):
        guest.deliver(hello(Role.GUEST, nonce, echo))


def test_a_damaged_hello_and_our_own(guest: Peer) -> None:
    damaged = bytearray(hello(Role.GUEST))
    damaged[40] ^= 1
    for wrong in (bytes(damaged), hello(Role.HOST)):
        with pytest.raises(ProtocolError, match="damaged hello"):
            guest.deliver(wrong)


def test_nothing_of_the_frame_that_ends_a_session_is_taken(guest: Peer) -> None:
    """The endpoint looks at it once more: it may be the hello of the next session."""
    good = guest.frame(CONTROL_ID, encode_message(Open(0, TARGET)))
    data = memoryview(good + hello(Role.GUEST, THEIRS + 1))
    with pytest.raises(SessionLostError):
        list(guest.session.receive(data, 0.0))
    assert guest.session.taken == len(good)


def test_frames_before_the_one_that_ends_a_session_count(guest: Peer) -> None:
    good = guest.frame(CONTROL_ID, encode_message(Open(0, TARGET)))
    events = guest.session.receive(memoryview(good + bytes(20)), 0.0)
    assert isinstance(next(events), Opened)
    with pytest.raises(ProtocolError):
        next(events)
