"""A session in the original format: what each side says, and what it makes of it."""

from __future__ import annotations

import pytest

from tests.unit.protocol.original_peer import BY_IP, BY_IPV6, BY_NAME, STREAMS, OriginalPeer, packet
from vsocks.address import Target
from vsocks.errors import BusyError
from vsocks.protocol.events import Closed, Data, Opened
from vsocks.protocol.handshake import Role
from vsocks.protocol.messages import CloseCode

pytestmark = pytest.mark.unit


@pytest.fixture
def guest() -> OriginalPeer:
    """The peer of a host."""
    return OriginalPeer(Role.HOST)


@pytest.fixture
def host() -> OriginalPeer:
    """The peer of a guest."""
    return OriginalPeer(Role.GUEST)


# -- an original guest ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("request_", "target"),
    [
        (BY_IP, Target("10.1.2.3", 443)),
        (BY_NAME, Target("example.com", 80)),
        (BY_IPV6, Target("::1", 80)),
    ],
)
def test_the_first_packet_of_an_id_is_a_request(
    guest: OriginalPeer, request_: bytes, target: Target
) -> None:
    [event] = guest.say(packet(2, request_))
    assert isinstance(event, Opened)
    assert (event.stream.id, event.target) == (2, target)


def test_the_packets_after_it_are_data_and_a_length_of_0_closes(guest: OriginalPeer) -> None:
    stream = guest.opened(0)
    assert guest.say(packet(0, b"GET /"), packet(0, BY_IP), packet(0)) == [
        Data(stream, memoryview(b"GET /")),
        Data(stream, memoryview(BY_IP)),
        Closed(stream, CloseCode.DONE),
    ]


def test_data_goes_back_in_packets_of_4096_bytes_and_then_the_close(guest: OriginalPeer) -> None:
    stream, content = guest.opened(1), bytes(range(256)) * 40
    guest.session.accept(stream, None)
    guest.session.send(stream, memoryview(content))
    guest.session.close(stream, CloseCode.DONE)
    heard = guest.hear()
    assert b"".join(data for number, data in heard if number == 1) == content
    assert heard[-1] == (1, b"")
    assert [number for number, data in heard if not data] == [1]


def test_a_reset_does_not_wait_for_the_data(guest: OriginalPeer) -> None:
    stream = guest.opened(1)
    guest.session.send(stream, memoryview(b"never sent"))
    guest.session.close(stream, CloseCode.RESET)
    assert guest.hear() == [(1, b"")]


def test_a_refusal_is_a_close(guest: OriginalPeer) -> None:
    guest.session.refuse(guest.opened(3), 5)
    assert guest.hear() == [(3, b"")]


@pytest.mark.parametrize(
    "request_", [b"x", b"GET / HTTP/1.0\r\n", BY_IP[:-1], BY_IP + b"\0", b"\x03\x00\x00\x50"]
)
def test_a_first_packet_that_is_no_request_is_refused(guest: OriginalPeer, request_: bytes) -> None:
    assert not guest.say(packet(1, request_))
    assert guest.hear() == [(1, b"")]
    assert guest.opened(1)


def test_a_close_of_what_is_not_open_is_nothing(guest: OriginalPeer) -> None:
    assert not guest.say(packet(1))
    assert not guest.hear()


@pytest.mark.parametrize("number", [STREAMS, 63, 0xFFFE])
def test_ids_beyond_ours_are_ignored(guest: OriginalPeer, number: int) -> None:
    assert not guest.say(packet(number, BY_IP), packet(number, b"data"), packet(number))
    assert guest.opened(0)


def test_a_host_does_not_end_its_session_whatever_comes(guest: OriginalPeer) -> None:
    for number in range(STREAMS + 1):
        for data in (b"\xff" * 50, b"", BY_NAME, b"", b"\xff"):
            guest.say(packet(number, data))
            guest.hear()


def test_an_id_is_free_at_its_close(guest: OriginalPeer) -> None:
    """Though here the old stream may still have data to pass on."""
    old = guest.opened(0)
    closed, opened = guest.say(packet(0), packet(0, BY_NAME))
    assert closed == Closed(old, CloseCode.DONE)
    assert isinstance(opened, Opened)
    assert opened.stream is not old
    guest.session.send(old, memoryview(b"for a connection that is no more"))
    guest.session.close(old, CloseCode.DONE)
    guest.session.send(opened.stream, memoryview(b"for the new one"))
    assert guest.hear() == [(0, b"for the new one")]


def test_data_that_crosses_our_close_is_ignored(guest: OriginalPeer) -> None:
    guest.session.close(guest.opened(0), CloseCode.RESET)
    assert guest.hear() == [(0, b"")]
    for late in (b"sent before the close came", b""):
        assert not guest.say(packet(0, late))
        assert not guest.hear()
    assert guest.opened(0)


def test_after_the_next_use_of_an_id_nothing_crosses_any_more(guest: OriginalPeer) -> None:
    guest.session.close(guest.opened(0), CloseCode.RESET)
    guest.hear()
    guest.opened(0)
    guest.say(packet(0), packet(0, b"no request"))
    assert guest.hear() == [(0, b"")]


# -- an original host ----------------------------------------------------------------------


def test_an_open_is_a_request_and_what_follows_is_data(host: OriginalPeer) -> None:
    stream = host.session.open(Target("example.com", 80))
    host.session.send(stream, memoryview(b"GET /"))
    assert host.hear() == [(0, BY_NAME), (0, b"GET /")]
    assert host.session.drained() == [stream]
    assert host.say(packet(0, b"200"), packet(0)) == [
        Data(stream, memoryview(b"200")),
        Closed(stream, CloseCode.DONE),
    ]


def test_a_host_opens_nothing(host: OriginalPeer) -> None:
    assert not host.say(packet(0, BY_IP), packet(1, b"data"), packet(2))


def test_all_ids_can_be_taken_and_not_one_more(host: OriginalPeer) -> None:
    streams = [host.session.open(Target("a", 1)) for _ in range(STREAMS)]
    assert [stream.id for stream in streams] == [0, 1, 2, 3]
    with pytest.raises(BusyError, match="all 4 streams"):
        host.session.open(Target("a", 1))
    host.hear()
    host.say(packet(2))
    assert host.session.open(Target("a", 1)).id == 2


def test_an_id_is_used_again_as_late_as_possible(host: OriginalPeer) -> None:
    used = []
    for _ in range(10):
        stream = host.session.open(Target("a", 1))
        used.append(stream.id)
        host.session.close(stream)
        assert [number for number, _ in host.hear()] == [stream.id] * 2
    assert used == [0, 1, 2, 3, 0, 1, 2, 3, 0, 1]


def test_ids_kept_free_are_not_used() -> None:
    host = OriginalPeer(Role.GUEST, kept_free=frozenset({1, 3}))
    assert [host.session.open(Target("a", 1)).id for _ in range(2)] == [0, 2]
    with pytest.raises(BusyError):
        host.session.open(Target("a", 1))


def test_streams_take_turns(host: OriginalPeer) -> None:
    for _ in range(2):
        host.session.send(host.session.open(Target("a", 1)), memoryview(bytes(9000)))
    host.session.send(host.session.open(Target("a", 1)), memoryview(b"x"))
    assert [number for number, _ in host.hear()] == [0, 1, 2, 0, 1, 2, 0, 1, 0, 1]


def test_requests_are_counted_at_both_ends(host: OriginalPeer, guest: OriginalPeer) -> None:
    for number in range(1, 3 * STREAMS):
        stream = host.session.open(Target("example.com", 80))
        [opened] = guest.say(*(packet(*said) for said in host.hear()))
        assert isinstance(opened, Opened)
        assert (stream.label, opened.stream.label) == (f"c{number}", f"c{number}")
        host.session.close(stream)
        guest.say(*(packet(*said) for said in host.hear()))


def test_a_session_says_what_it_is(guest: OriginalPeer) -> None:
    guest.opened(0)
    assert repr(guest.session) == "<OriginalSession host 1 of 4 in use, turns=0 stalled=False>"
