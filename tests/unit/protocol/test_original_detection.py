"""Which wire the peer speaks, found out by an endpoint from the first bytes."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.protocol.original_peer import BY_IP, BY_NAME, packet, packets
from vsocks.address import Target
from vsocks.errors import BusyError
from vsocks.protocol.endpoint import MAX_OUTPUT, Endpoint, EndpointConfig, Wire
from vsocks.protocol.events import Opened, Rejected, SessionEvent, SessionLost, SessionUp
from vsocks.protocol.handshake import HELLO_SIZE, Hello, Offer, Role, find_hello
from vsocks.protocol.original import OriginalSession
from vsocks.protocol.session import Session

pytestmark = pytest.mark.unit

STREAMS = 64
#: What the original guest sends on its first connection.
FIRST = packet(0, BY_NAME)


class Side:
    """An endpoint and the bytes that it makes."""

    def __init__(self, role: Role, wire: Wire = Wire.AUTO) -> None:
        self.now = 0.0
        self.endpoint = Endpoint(EndpointConfig(role, Offer(STREAMS), wire), self.now)
        self.events: list[SessionEvent] = list(self.endpoint.start())

    def take(self, data: bytes) -> list[SessionEvent]:
        """The events that some bytes make."""
        self.endpoint.buffer()[: len(data)] = data
        events = list(self.endpoint.received(len(data), self.now))
        self.events += events
        return events

    def say(self) -> bytes:
        out = memoryview(bytearray(2 * MAX_OUTPUT))
        return bytes(out[: self.endpoint.write_into(out, self.now)])

    def wait(self, seconds: float) -> bytes:
        """What the endpoint says by itself meanwhile."""
        said, end = self.say(), self.now + seconds
        while (due := self.endpoint.next_poll) is not None and due <= end:
            self.now = max(self.now, due)
            self.events += self.endpoint.poll(self.now)
            said += self.say()
        self.now = end
        return said

    @property
    def is_original(self) -> bool:
        return isinstance(self.endpoint.session, OriginalSession)


def is_refused(number: int, data: bytes, *, last_id: int) -> bool:
    """Whether an original host answers a packet with a close: the request can't be met."""
    return number <= last_id and data[:7] == b"\x01\x00\x00\x00\x00\x00\x00"


def original_answers(hello: bytes, last_id: int) -> bytes:
    """What an original host, with ids up to ``last_id``, answers to what a guest sends first."""
    answers = b""
    while hello:
        number, length = struct.unpack_from("<HH", hello)
        if is_refused(number, hello[4 : 4 + length], last_id=last_id):
            answers += packet(number)
        hello = hello[4 + length :]
    return answers


# -- our host, an original guest -----------------------------------------------------------


def test_the_host_knows_an_original_guest_by_its_first_packet() -> None:
    host = Side(Role.HOST)
    up, opened = host.take(FIRST)
    assert isinstance(up, SessionUp)
    assert isinstance(opened, Opened)
    assert opened.target == Target("example.com", 80)
    assert host.is_original


@given(st.lists(st.integers(1, 12), max_size=12))
def test_in_any_chunks(sizes: list[int]) -> None:
    host, data = Side(Role.HOST), FIRST + packet(5, BY_IP)
    for size in [*sizes, len(data)]:
        host.take(data[:size])
        data = data[size:]
    assert host.is_original
    opened = [event.target.host for event in host.events if isinstance(event, Opened)]
    assert opened == ["example.com", "10.1.2.3"]


def test_cut_at_any_byte() -> None:
    first = packet(0, b"\x03\xc8" + b"x" * 200 + b"\x00\x50")
    for cut in range(len(first)):
        host = Side(Role.HOST)
        assert not host.take(first[:cut])
        assert len(host.take(first[cut:])) == 2
        assert host.is_original


def test_an_original_guest_is_sent_nothing_that_it_does_not_know() -> None:
    host = Side(Role.HOST)
    assert not host.wait(60.0)
    [_, opened] = host.take(FIRST)
    assert isinstance(opened, Opened)
    assert host.endpoint.session is not None
    host.endpoint.session.send(opened.stream, memoryview(b"hello"))
    assert packets(host.wait(60.0)) == [(0, b"hello")]


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(packet(STREAMS, BY_NAME), id="an id beyond ours"),
        pytest.param(packet(0, BY_NAME + b"\0"), id="more than a request"),
        pytest.param(packet(0, b"GET / HTTP/1.0"), id="no request"),
        pytest.param(packet(0), id="a close"),
        pytest.param(packet(63, b"\x01" + bytes(6)), id="our own probe"),
        pytest.param(packet(0, bytes(3000)), id="data"),
    ],
)
def test_what_is_no_request_is_no_original_guest(data: bytes) -> None:
    """Somebody is there who believes in a session that is gone: the host says hello."""
    host = Side(Role.HOST)
    assert not host.take(data)
    assert not host.is_original
    assert find_hello(host.wait(0.0))[0] is not None
    assert not host.take(FIRST)


@pytest.mark.parametrize("cut", range(HELLO_SIZE))
def test_a_hello_in_two_pieces_is_no_original_guest(cut: int) -> None:
    host = Side(Role.HOST)
    hello = Side(Role.GUEST).say()
    assert not host.take(hello[:cut])
    assert not host.take(hello[cut:])
    assert not host.is_original
    assert find_hello(host.say())[0] is not None


# -- our guest, an original host -----------------------------------------------------------


@pytest.mark.parametrize("last_id", [63, 0xFFFF])
def test_the_guest_knows_an_original_host_by_its_refusal(last_id: int) -> None:
    """Whether it looks at ids above 63 or not."""
    guest = Side(Role.GUEST)
    answers = original_answers(guest.say(), last_id)
    assert answers
    for number in range(len(answers)):
        guest.take(answers[number : number + 1])
    assert guest.is_original
    assert [type(event) for event in guest.events] == [SessionUp]


def test_an_original_host_then_gets_requests_but_not_on_the_id_of_the_probe() -> None:
    guest = Side(Role.GUEST)
    guest.take(original_answers(guest.say(), 63))
    session = guest.endpoint.session
    assert session is not None
    for number in range(63):
        assert session.open(Target("example.com", 80)).id == number
    with pytest.raises(BusyError):
        session.open(Target("example.com", 80))
    assert packets(guest.wait(60.0)) == [(number, BY_NAME) for number in range(63)]


@pytest.mark.parametrize("data", [packet(0), packet(62), packet(63, b"x"), packet(0xFFFF, b"x")])
def test_what_is_no_refusal_is_no_original_host(data: bytes) -> None:
    guest = Side(Role.GUEST)
    guest.say()
    assert not guest.take(data)
    assert not guest.is_original


@pytest.mark.parametrize("data", [bytes.fromhex("3f000000 78010000"), packet(0xFFFF) + b"rest" * 9])
def test_what_begins_as_a_refusal_but_goes_on_is_the_rest_of_a_session(data: bytes) -> None:
    """Of a daemon that was killed: its streams' data may hold anything."""
    guest, host = Side(Role.GUEST), Side(Role.HOST)
    hello = guest.say()
    guest.take(data)
    assert not guest.is_original
    host.take(hello)
    guest.take(host.say())
    host.take(guest.say())
    assert isinstance(guest.endpoint.session, Session)


def test_a_refusal_of_which_a_part_is_missing_is_waited_for() -> None:
    guest = Side(Role.GUEST)
    guest.take(packet(63) + packet(0xFFFF)[:2])
    assert not guest.is_original
    guest.take(packet(0xFFFF)[2:])
    assert guest.is_original


# -- the user knows, or the peer changes ---------------------------------------------------


@pytest.mark.parametrize("role", list(Role))
def test_wire_original_needs_no_detection_and_says_nothing(role: Role) -> None:
    side = Side(role, Wire.ORIGINAL)
    assert [type(event) for event in side.events] == [SessionUp]
    assert side.is_original
    assert not side.wait(60.0)


def test_wire_original_holds_to_it_even_if_a_hello_comes() -> None:
    host = Side(Role.HOST, Wire.ORIGINAL)
    assert not host.take(Side(Role.GUEST, Wire.VSOCKS).say())
    assert [type(event) for event in host.take(FIRST)] == [Opened]


def test_wire_vsocks_takes_no_original_peer() -> None:
    host, guest = Side(Role.HOST, Wire.VSOCKS), Side(Role.GUEST, Wire.VSOCKS)
    assert not host.take(FIRST)
    assert len(guest.say()) == HELLO_SIZE
    assert not guest.take(packet(63))
    assert not host.is_original
    assert not guest.is_original


def test_a_vsocks_guest_that_follows_an_original_one_gets_a_session() -> None:
    host, guest = Side(Role.HOST), Side(Role.GUEST)
    host.take(FIRST)
    events = host.take(guest.say())
    assert [type(event) for event in events] == [SessionLost]
    for _ in range(3):
        guest.take(host.say())
        host.take(guest.say())
    assert isinstance(host.endpoint.session, Session)
    assert isinstance(guest.endpoint.session, Session)


def test_a_peer_that_has_spoken_vsocks_is_never_taken_for_an_original_one() -> None:
    """Its old data might look like a request."""
    host = Side(Role.HOST)
    ours = host.endpoint._handshake.nonce
    assert [type(event) for event in host.take(hello_to(ours))] == [SessionUp]
    host.wait(60.0)
    assert [type(event) for event in host.events] == [SessionUp, SessionLost]
    assert not host.take(FIRST)


def test_nor_one_that_has_sent_a_control_frame() -> None:
    host = Side(Role.HOST)
    host.take(FIRST)
    assert [type(event) for event in host.take(packet(0xFFFF, bytes(30)))] == [SessionLost]
    assert not host.take(FIRST)


def hello_to(nonce: int) -> bytes:
    """The hello of a guest that has had the host's."""
    return Hello(Role.GUEST, 5, nonce, Offer()).encode()


@pytest.mark.parametrize("first", [b"POST / HTTP/1.1\r\n", b"GET / HT", b"OPTI", b"PUT /x"])
def test_a_host_told_to_speak_it_rejects_what_begins_as_http(first: bytes) -> None:
    """A web page can have the browser of the host's user say what it likes behind that."""
    host = Side(Role.HOST, Wire.ORIGINAL)
    body = b"\r\n" * 20_000 + FIRST
    events = host.take(first[:3])
    events += host.take(first[3:])
    assert events == [Rejected("the other side speaks HTTP")]
    assert host.endpoint.buffer(), "nothing of it is kept"
    assert not any(isinstance(event, Opened) for event in host.take(body[:1000]))


def test_letters_that_come_later_are_data() -> None:
    host = Side(Role.HOST, Wire.ORIGINAL)
    [opened] = host.take(FIRST)
    assert isinstance(opened, Opened)
    assert not any(isinstance(event, Rejected) for event in host.take(b"POST / HTTP/1.1"))
