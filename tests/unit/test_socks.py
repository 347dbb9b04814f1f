"""The SOCKS5 handshake: RFC 1928's cases, byte by byte, in any split, and any bytes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vsocks.address import Target, encode_address
from vsocks.proxy.requests import Connect, Event, Refuse, Send
from vsocks.proxy.socks5 import Handshake
from vsocks.reply import Reply

pytestmark = pytest.mark.unit

GREETING = bytes.fromhex("05 01 00")
METHOD_CHOSEN = Send(bytes.fromhex("05 00"))
TO_IPV4 = bytes.fromhex("05 01 00 01 c0000201 0050")
TO_NAME = bytes.fromhex("05 01 00 03 0b 6578616d706c652e636f6d 01bb")
TO_IPV6 = bytes.fromhex("05 01 00 04 20010db8000000000000000000000001 1f90")


def talk(*chunks: bytes) -> list[Event]:
    handshake = Handshake()
    return [event for chunk in chunks for event in handshake.receive(chunk)]


def trickle(data: bytes) -> list[bytes]:
    return [bytes((byte,)) for byte in data]


@pytest.mark.parametrize(
    ("request_bytes", "target"),
    [
        (TO_IPV4, Target("192.0.2.1", 80)),
        (TO_NAME, Target("example.com", 443)),
        (TO_IPV6, Target("2001:db8::1", 8080)),
    ],
)
def test_connect(request_bytes: bytes, target: Target) -> None:
    handshake = Handshake()
    assert handshake.receive(GREETING) == [METHOD_CHOSEN]
    assert handshake.receive(request_bytes) == [Connect(target)]
    bound = Target("198.51.100.7", 40000)
    assert handshake.reply(Reply.SUCCEEDED, bound) == bytes.fromhex("05 00 00 01 c6336407 9c40")
    assert handshake.leftover == b""


def test_byte_by_byte() -> None:
    handshake = Handshake()
    answers = [handshake.receive(byte) for byte in trickle(GREETING + TO_NAME)]
    said = {index: events for index, events in enumerate(answers) if events}
    assert said == {
        len(GREETING) - 1: [METHOD_CHOSEN],
        len(answers) - 1: [Connect(Target("example.com", 443))],
    }


def test_failure_reply_has_no_address() -> None:
    handshake = Handshake()
    handshake.receive(GREETING + TO_NAME)
    refused = handshake.reply(Reply.CONNECTION_REFUSED)
    assert refused == bytes.fromhex("05 05 00 01 00000000 0000")


def test_optimistic_data_is_kept_before_and_after_the_reply() -> None:
    handshake = Handshake()
    assert len(handshake.receive(GREETING + TO_IPV4 + b"GET /")) == 2
    assert handshake.receive(b" HTTP/1.1") == []
    assert handshake.leftover == b"GET / HTTP/1.1"
    handshake.reply(Reply.SUCCEEDED)
    assert handshake.leftover == b"GET / HTTP/1.1"


def test_no_leftover_before_the_request_is_whole() -> None:
    handshake = Handshake()
    handshake.receive(GREETING + TO_IPV4[:-1])
    assert handshake.leftover == b""


def test_no_authentication_among_other_methods() -> None:
    assert talk(bytes.fromhex("05 03 02 01 00")) == [METHOD_CHOSEN]


@pytest.mark.parametrize("greeting", ["05 00", "05 01 02", "05 02 01 80"])
def test_no_acceptable_method(greeting: str) -> None:
    [refusal] = talk(bytes.fromhex(greeting))
    assert isinstance(refusal, Refuse)
    assert refusal.data == bytes.fromhex("05 ff")


@pytest.mark.parametrize("first", [b"\x04\x01\x00\x50", b"GET / HTTP/1.1\r\n", b"\x00"])
def test_another_protocol_is_told_by_its_first_byte(first: bytes) -> None:
    [refusal] = talk(*trickle(first))
    assert refusal == Refuse(b"", f"the client speaks no SOCKS5: first byte {first[0]:#04x}")


@pytest.mark.parametrize(
    ("request_hex", "reply"),
    [
        ("05 02 00 01 c0000201 0050", Reply.COMMAND_NOT_SUPPORTED),
        ("05 03 00 01 00000000 0000", Reply.COMMAND_NOT_SUPPORTED),
        ("05 01 00 02", Reply.ADDRESS_TYPE_NOT_SUPPORTED),
        ("05 01 00 03 00", Reply.GENERAL_FAILURE),
        ("05 01 00 03 01 00 0050", Reply.GENERAL_FAILURE),
        ("04", Reply.GENERAL_FAILURE),
    ],
)
def test_refused_requests(request_hex: str, reply: Reply) -> None:
    chosen, refusal = talk(GREETING, bytes.fromhex(request_hex))
    assert chosen == METHOD_CHOSEN
    assert isinstance(refusal, Refuse)
    assert refusal.data == bytes((5, reply)) + bytes.fromhex("00 01 00000000 0000")
    assert refusal.reason


def test_a_wrong_command_is_refused_only_when_nothing_is_left_unread() -> None:
    bind = bytes.fromhex("05 02 00 01 c0000201 0050")
    assert talk(GREETING, bind[:-1]) == [METHOD_CHOSEN]


def test_the_reserved_byte_is_ignored() -> None:
    assert talk(GREETING, b"\x05\x01\x7f" + TO_IPV4[3:])[1] == Connect(Target("192.0.2.1", 80))


def test_nothing_is_heard_or_kept_after_a_refusal() -> None:
    handshake = Handshake()
    handshake.receive(b"\x04" + GREETING)
    assert handshake.receive(GREETING + TO_IPV4) == []
    assert handshake.leftover == b""
    assert not handshake._buffer


def test_a_reply_is_given_once_and_only_to_a_request() -> None:
    handshake = Handshake()
    with pytest.raises(RuntimeError):
        handshake.reply(Reply.SUCCEEDED)
    handshake.receive(GREETING + TO_IPV4)
    handshake.reply(Reply.SUCCEEDED)
    with pytest.raises(RuntimeError):
        handshake.reply(Reply.SUCCEEDED)


# Bytes that get far: mostly well-formed pieces, so that later states are reached too.
greetings = st.builds(
    lambda methods: bytes((5, len(methods))) + methods,
    st.binary(max_size=255) | st.just(b"\x00"),
)
requests = st.builds(
    lambda head, address: head + address,
    st.sampled_from([b"\x05\x01\x00", b"\x05\x02\x00", b"\x04\x01\x00"]),
    st.builds(
        lambda host, port: encode_address(Target(host, port)),
        st.ip_addresses().map(str) | st.from_regex(r"[a-z.-]{1,255}", fullmatch=True),
        st.integers(0, 0xFFFF),
    )
    | st.binary(max_size=30),
)
conversations = st.binary(max_size=600) | st.builds(
    lambda *parts: b"".join(parts), greetings, requests, st.binary(max_size=50)
)


@given(conversations, st.data())
def test_any_split_of_any_bytes_gives_the_same_and_holds_little(
    data: bytes, draw: st.DataObject
) -> None:
    whole = Handshake()
    expected = whole.receive(data)

    cuts = sorted(draw.draw(st.lists(st.integers(0, len(data)), max_size=20)))
    handshake = Handshake()
    events: list[Event] = []
    for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True):
        events += handshake.receive(data[start:end])
        if not any(isinstance(event, Connect) for event in events):
            assert len(handshake._buffer) < 262
    assert events == expected
    assert handshake.leftover == whole.leftover


@given(conversations)
def test_a_conversation_is_sends_and_then_at_most_one_end(data: bytes) -> None:
    events = talk(*trickle(data))
    assert all(isinstance(event, Send) for event in events[:-1])
    assert len(events) <= 2
