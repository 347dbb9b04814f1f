"""What a peer may not do with streams and credit: the session ends with a clear message."""

from __future__ import annotations

import pytest

from tests.unit.protocol.peer import STREAMS, TARGET, WINDOW, Peer
from vsocks.errors import ProtocolError
from vsocks.protocol.frames import FIRST_HOST_ID
from vsocks.protocol.handshake import Offer, Role
from vsocks.protocol.messages import Ack, Close, Credit, End, Message, Open, OpenResult

pytestmark = pytest.mark.unit


# -- streams -------------------------------------------------------------------------------


def test_data_beyond_the_credit(guest: Peer) -> None:
    guest.opened(0)
    guest.data(0, bytes(WINDOW))
    with pytest.raises(ProtocolError, match="overstepped its credit on stream 0"):
        guest.data(0, b"x")


def test_data_beyond_the_credit_in_one_frame(guest: Peer) -> None:
    guest.opened(0)
    with pytest.raises(ProtocolError, match="overstepped its credit on stream 0"):
        guest.data(0, bytes(WINDOW + 1))


def test_credit_of_one_stream_is_none_of_another(guest: Peer) -> None:
    guest.opened(0)
    guest.opened(1)
    guest.data(0, bytes(WINDOW))
    guest.data(1, bytes(WINDOW))
    with pytest.raises(ProtocolError, match="stream 1"):
        guest.data(1, b"x")


@pytest.mark.parametrize("stream", [0, STREAMS - 1, STREAMS, 0x7FFF, 0x8000, 0xFFFE])
def test_data_on_a_stream_that_is_not_open(guest: Peer, stream: int) -> None:
    with pytest.raises(ProtocolError, match=f"stream {stream}, which isn't open"):
        guest.data(stream, b"x")


@pytest.mark.parametrize("message", [Credit(1, 5), End(1), Close(1, 0), OpenResult(1, 0, None)])
@pytest.mark.parametrize("role", list(Role))
def test_messages_about_a_stream_that_is_not_open(role: Role, message: Message) -> None:
    with pytest.raises(ProtocolError, match="stream 1, which isn't open"):
        Peer(role).say(message)


def test_data_after_the_end(guest: Peer) -> None:
    guest.opened(0)
    guest.say(End(0))
    with pytest.raises(ProtocolError, match="data on stream 0 after its end"):
        guest.data(0, b"x")


def test_data_after_the_close(guest: Peer) -> None:
    guest.opened(0)
    guest.say(Close(0, 1))
    with pytest.raises(ProtocolError, match="data on stream 0 after its end"):
        guest.data(0, b"x")


def test_two_ends(guest: Peer) -> None:
    guest.opened(0)
    guest.say(End(0))
    with pytest.raises(ProtocolError, match="stream 0 ended twice"):
        guest.say(End(0))


def test_an_end_after_the_close(guest: Peer) -> None:
    guest.opened(0)
    guest.say(Close(0, 1))
    with pytest.raises(ProtocolError, match="stream 0 ended twice"):
        guest.say(End(0))


@pytest.mark.parametrize("code", [0, 1])
def test_two_closes(guest: Peer, code: int) -> None:
    guest.opened(0)
    guest.say(Close(0, code))
    with pytest.raises(ProtocolError, match="stream 0 closed twice"):
        guest.say(Close(0, code))


# -- opens and their answers ---------------------------------------------------------------


def test_an_open_of_a_slot_in_use(guest: Peer) -> None:
    guest.opened(0)
    with pytest.raises(ProtocolError, match="stream 0 opened while it is in use"):
        guest.say(Open(0, TARGET))


def test_an_open_of_a_slot_that_only_the_guest_has_closed(guest: Peer) -> None:
    guest.opened(0)
    guest.say(Close(0, 1))
    with pytest.raises(ProtocolError, match="stream 0 opened while it is in use"):
        guest.say(Open(0, TARGET))


@pytest.mark.parametrize("stream", [STREAMS, 0x7FFF, 0x8000 + STREAMS, 0xFFFE, 0xFFFF])
def test_an_open_of_a_slot_that_does_not_exist(guest: Peer, stream: int) -> None:
    with pytest.raises(ProtocolError, match=f"stream {stream} opened; there are {STREAMS}"):
        guest.say(Open(stream, TARGET))


def test_the_lesser_of_the_two_offers_counts() -> None:
    guest = Peer(Role.HOST, peer_offer=Offer(max_streams=2))
    guest.opened(1)
    with pytest.raises(ProtocolError, match="there are 2"):
        guest.say(Open(2, TARGET))


def test_an_open_of_the_other_sides_slot(host: Peer, guest: Peer) -> None:
    with pytest.raises(ProtocolError, match="stream 0 opened, but that is for us"):
        host.say(Open(0, TARGET))
    with pytest.raises(ProtocolError, match="stream 32768 opened, but that is for us"):
        guest.say(Open(FIRST_HOST_ID, TARGET))


def test_an_answer_by_the_guest(guest: Peer) -> None:
    guest.opened(0)
    with pytest.raises(ProtocolError, match="nobody asked for"):
        guest.say(OpenResult(0, 0, None))


def test_two_answers(host: Peer) -> None:
    host.answered()
    with pytest.raises(ProtocolError, match="nobody asked for"):
        host.say(OpenResult(0, 0, None))


@pytest.mark.parametrize("message", [Credit(0, 5), End(0), Close(0, 0)])
def test_messages_of_the_host_before_its_answer(host: Peer, message: Message) -> None:
    host.session.open(TARGET)
    with pytest.raises(ProtocolError, match="before it answered"):
        host.say(message)


def test_data_of_the_host_before_its_answer(host: Peer) -> None:
    host.session.open(TARGET)
    with pytest.raises(ProtocolError, match="before it answered"):
        host.data(0, b"x")


# -- credit and acknowledgements -----------------------------------------------------------


def test_more_credit_than_there_can_be(guest: Peer) -> None:
    guest.opened(0)
    guest.say(Credit(0, 1 << 30))
    with pytest.raises(ProtocolError, match="too much credit on stream 0"):
        guest.say(*[Credit(0, 0xFFFF_FFFF)] * 10)


def test_as_much_credit_as_there_can_be(guest: Peer) -> None:
    """8 GiB, as docs/protocol.md says."""
    stream = guest.opened(0)
    left = (1 << 33) - stream.send_credit
    while left:
        guest.say(Credit(0, min(left, 0xFFFF_FFFF)))
        left -= min(left, 0xFFFF_FFFF)
    with pytest.raises(ProtocolError, match="too much credit on stream 0"):
        guest.say(Credit(0, 1))


def test_more_acknowledged_than_was_sent(guest: Peer) -> None:
    guest.say(Ack(guest.heard_bytes()))
    with pytest.raises(ProtocolError, match="1 bytes acknowledged, only 0"):
        guest.say(Ack(1))
