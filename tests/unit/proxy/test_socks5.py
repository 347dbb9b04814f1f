"""SOCKS5: the cases of RFC 1928 and 1929, byte by byte, in any split, and any bytes."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.proxy.dialects import (
    BOUND,
    NAMED,
    check_any_split,
    cut,
    hear,
    hosts,
    places,
    ports,
    replies,
    requested,
    trickle,
    users,
)
from vsocks.address import Target, encode_address
from vsocks.proxy.requests import (
    Bind,
    Connect,
    Refuse,
    Request,
    Resolve,
    ResolveAddress,
    Send,
    UdpAssociate,
)
from vsocks.proxy.socks5 import LONGEST_MESSAGE, Socks5
from vsocks.proxy.users import NO_USERS, Users
from vsocks.reply import Reply

pytestmark = pytest.mark.unit

GREETING = bytes.fromhex("05 01 00")
GREETING_WITH_CREDENTIALS = bytes.fromhex("05 01 02")
METHOD_CHOSEN = Send(bytes.fromhex("05 00"))
CREDENTIALS_CHOSEN = Send(bytes.fromhex("05 02"))
WELCOME = Send(bytes.fromhex("01 00"))
BOB = b"\x01\x03bob\x07builder"
TO_IPV4 = bytes.fromhex("05 01 00 01 c0000201 0050")
TO_NAME = bytes.fromhex("05 01 00 03 0b 6578616d706c652e636f6d 01bb")
TO_IPV6 = bytes.fromhex("05 01 00 04 20010db8000000000000000000000001 1f90")
BIND = bytes.fromhex("05 02 00 01 c0000201 0050")


@pytest.mark.parametrize(
    ("request_bytes", "request_"),
    [
        (TO_IPV4, Connect(Target("192.0.2.1", 80))),
        (TO_NAME, Connect(Target("example.com", 443))),
        (TO_IPV6, Connect(Target("2001:db8::1", 8080))),
        (BIND, Bind(Target("192.0.2.1", 80))),
        (bytes.fromhex("05 03 00 01 00000000 0000"), UdpAssociate(Target("0.0.0.0", 0))),
        (b"\x05\xf0\0\x03\x0bexample.com\0\0", Resolve("example.com")),
        (bytes.fromhex("05 f0 00 01 c0000201 0050"), Resolve("192.0.2.1")),
        (bytes.fromhex("05 f1 00 01 c0000201 0000"), ResolveAddress(ip_address("192.0.2.1"))),
        (b"\x05\xf1\0\x03\x09192.0.2.1\0\0", ResolveAddress(ip_address("192.0.2.1"))),
        (b"\x05\xf1\0\x04" + bytes(15) + b"\x01\0\0", ResolveAddress(ip_address("::1"))),
    ],
)
def test_each_command_is_passed_on(request_bytes: bytes, request_: Request) -> None:
    socks = Socks5()
    assert socks.receive(GREETING) == [METHOD_CHOSEN]
    assert socks.receive(request_bytes) == [request_]
    assert socks.leftover == b""
    assert not socks.is_answered


def test_byte_by_byte() -> None:
    socks = Socks5(NAMED)
    answers = [socks.receive(byte) for byte in trickle(GREETING_WITH_CREDENTIALS + BOB + TO_NAME)]
    said = {index: events for index, events in enumerate(answers) if events}
    assert said == {
        2: [CREDENTIALS_CHOSEN],
        2 + len(BOB): [WELCOME],
        len(answers) - 1: [Connect(Target("example.com", 443))],
    }


@pytest.mark.parametrize(
    ("bound", "address"),
    [
        (None, "01 00000000 0000"),
        (BOUND, "01 c6336407 9c40"),
        (Target("2001:db8::1", 8080), "04 20010db8000000000000000000000001 1f90"),
        (Target("example.com", 0), "03 0b 6578616d706c652e636f6d 0000"),
    ],
)
def test_a_reply_has_what_is_bound(bound: Target | None, address: str) -> None:
    socks = Socks5()
    socks.receive(GREETING + TO_NAME)
    assert socks.reply(Reply.SUCCEEDED, bound) == bytes.fromhex("05 00 00" + address)
    assert socks.is_answered


@pytest.mark.parametrize("code", [code for code in Reply if code])
def test_a_failure_is_told_truly(code: Reply) -> None:
    socks = Socks5()
    socks.receive(GREETING + TO_NAME)
    assert socks.reply(code) == bytes((5, code)) + bytes.fromhex("00 01 00000000 0000")
    assert socks.is_answered


@pytest.mark.parametrize("code", [9, 200, 255, 256, -1])
def test_a_failure_that_the_rfc_does_not_know_is_a_general_one(code: int) -> None:
    socks = Socks5()
    socks.receive(GREETING + TO_NAME)
    assert socks.reply(code)[1] == Reply.GENERAL_FAILURE


def test_a_bind_is_answered_when_it_listens_and_when_somebody_came() -> None:
    socks = Socks5()
    socks.receive(GREETING + BIND)
    assert socks.reply(Reply.SUCCEEDED, BOUND) == bytes.fromhex("05 00 00 01 c6336407 9c40")
    assert not socks.is_answered
    assert socks.receive(b"early") == []
    came = Target("192.0.2.1", 20)
    assert socks.reply(Reply.SUCCEEDED, came) == bytes.fromhex("05 00 00 01 c0000201 0014")
    assert socks.is_answered
    assert socks.leftover == b"early"
    with pytest.raises(RuntimeError):
        socks.reply(Reply.SUCCEEDED)


@pytest.mark.parametrize("before", [[], [Reply.SUCCEEDED]])
def test_a_bind_that_fails_is_answered(before: list[Reply]) -> None:
    socks = Socks5()
    socks.receive(GREETING + BIND)
    for code in [*before, Reply.TTL_EXPIRED]:
        assert not socks.is_answered
        assert socks.reply(code)[1] == code
    assert socks.is_answered


def test_a_reply_is_given_once_and_only_to_a_request() -> None:
    socks = Socks5()
    with pytest.raises(RuntimeError):
        socks.reply(Reply.SUCCEEDED)
    socks.receive(GREETING + TO_IPV4)
    socks.reply(Reply.SUCCEEDED)
    with pytest.raises(RuntimeError):
        socks.reply(Reply.SUCCEEDED)


def test_optimistic_data_is_kept_before_and_after_the_reply() -> None:
    socks = Socks5(NAMED)
    everything = GREETING_WITH_CREDENTIALS + BOB + TO_IPV4 + b"GET /"
    assert len(socks.receive(everything)) == 3
    assert socks.receive(b" HTTP/1.1") == []
    assert socks.leftover == b"GET / HTTP/1.1"
    socks.reply(Reply.SUCCEEDED)
    assert socks.leftover == b"GET / HTTP/1.1"


def test_no_leftover_before_the_request_is_whole() -> None:
    socks = Socks5()
    socks.receive(GREETING + TO_IPV4[:-1])
    assert socks.leftover == b""


@pytest.mark.parametrize(
    ("who", "methods", "chosen"),
    [
        (NO_USERS, "00", 0),
        (NO_USERS, "02 01 00", 0),
        (NO_USERS, "02", 2),
        (NO_USERS, "01 02", 2),
        (NO_USERS, "", 0xFF),
        (NO_USERS, "01 80", 0xFF),
        (NAMED, "02", 2),
        (NAMED, "00 01 02", 2),
        (NAMED, "00", 0xFF),
        (NAMED, "", 0xFF),
    ],
)
def test_the_method_that_is_chosen(who: Users, methods: str, chosen: int) -> None:
    offered = bytes.fromhex(methods)
    [event] = Socks5(who).receive(bytes((5, len(offered))) + offered)
    assert isinstance(event, Refuse if chosen == 0xFF else Send)
    assert event.data == bytes((5, chosen))


@pytest.mark.parametrize(
    "credentials", [BOB, b"\x01\x03ann\x09oh:colons"], ids=["bob", "colons in the password"]
)
def test_users_are_let_in(credentials: bytes) -> None:
    assert Socks5(NAMED).receive(GREETING_WITH_CREDENTIALS + credentials + TO_IPV4) == [
        CREDENTIALS_CHOSEN,
        WELCOME,
        Connect(Target("192.0.2.1", 80)),
    ]


@pytest.mark.parametrize("credentials", [BOB, b"\x01\x01x\x01y", b"\x01\0\0"])
def test_without_users_any_credentials_will_do(credentials: bytes) -> None:
    socks = Socks5()
    assert socks.receive(GREETING_WITH_CREDENTIALS + credentials) == [CREDENTIALS_CHOSEN, WELCOME]


@pytest.mark.parametrize(
    ("credentials", "name"),
    [
        (b"\x01\x03bob\x06secret", "'bob'"),
        (b"\x01\x03eve\x06secret", "'eve'"),
        (b"\x01\x04bo\n\xff\x06secret", r"'bo\n\xff'"),
        (b"\x01\0\x06secret", "''"),
        (b"\x01\x03bob\0", "'bob'"),
    ],
)
def test_others_are_refused_by_name_and_without_the_password(credentials: bytes, name: str) -> None:
    _, refusal = Socks5(NAMED).receive(GREETING_WITH_CREDENTIALS + credentials + TO_IPV4)
    assert refusal == Refuse(
        bytes.fromhex("01 01"), f"user {name} is unknown, or the password is wrong"
    )


def test_credentials_of_another_version_are_refused_at_once() -> None:
    _, refusal = Socks5(NAMED).receive(GREETING_WITH_CREDENTIALS + b"\x05")
    assert refusal == Refuse(bytes.fromhex("01 01"), "credentials of version 5")


def test_nobody_gets_past_the_credentials_without_them() -> None:
    _, refusal = Socks5(NAMED).receive(GREETING_WITH_CREDENTIALS + TO_IPV4)
    assert isinstance(refusal, Refuse)


@pytest.mark.parametrize("first", [b"\x04\x01\x00\x50", b"GET / HTTP/1.1\r\n", b"\x00"])
def test_another_protocol_gets_no_answer(first: bytes) -> None:
    [refusal] = hear(Socks5(), trickle(first))
    assert refusal == Refuse(b"", f"the client speaks no SOCKS5: first byte {first[0]:#04x}")


@pytest.mark.parametrize(
    ("request_hex", "reply"),
    [
        ("05 00 00 01 c0000201 0050", Reply.COMMAND_NOT_SUPPORTED),
        ("05 04 00 01 c0000201 0050", Reply.COMMAND_NOT_SUPPORTED),
        ("05 f2 00 01 00000000 0000", Reply.COMMAND_NOT_SUPPORTED),
        ("05 ff 00 03 01 61 0000", Reply.COMMAND_NOT_SUPPORTED),
        ("05 01 00 00", Reply.ADDRESS_TYPE_NOT_SUPPORTED),
        ("05 01 00 02", Reply.ADDRESS_TYPE_NOT_SUPPORTED),
        ("05 03 00 ff", Reply.ADDRESS_TYPE_NOT_SUPPORTED),
        ("05 f1 00 03 01 61 0000", Reply.ADDRESS_TYPE_NOT_SUPPORTED),
        ("05 01 00 03 00", Reply.GENERAL_FAILURE),
        ("05 01 00 03 01 00 0050", Reply.GENERAL_FAILURE),
        ("05 f0 00 03 01 20 0050", Reply.GENERAL_FAILURE),
        ("04", Reply.GENERAL_FAILURE),
    ],
)
def test_refused_requests(request_hex: str, reply: Reply) -> None:
    chosen, refusal = hear(Socks5(), [GREETING, bytes.fromhex(request_hex)])
    assert chosen == METHOD_CHOSEN
    assert isinstance(refusal, Refuse)
    assert refusal.data == bytes((5, reply)) + bytes.fromhex("00 01 00000000 0000")
    assert refusal.reason


def test_a_wrong_command_is_refused_only_when_nothing_is_left_unread() -> None:
    unknown = bytes.fromhex("05 09 00 01 c0000201 0050")
    assert hear(Socks5(), [GREETING, unknown[:-1]]) == [METHOD_CHOSEN]


def test_the_reserved_byte_is_ignored() -> None:
    events = Socks5().receive(GREETING + b"\x05\x01\x7f" + TO_IPV4[3:])
    assert events[1] == Connect(Target("192.0.2.1", 80))


def test_nothing_is_heard_or_kept_after_a_refusal() -> None:
    socks = Socks5()
    socks.receive(b"\x04" + GREETING)
    assert socks.receive(GREETING + TO_IPV4) == []
    assert socks.leftover == b""
    assert not socks._buffer
    assert not socks.is_answered


# Bytes that get far: mostly well-formed pieces, so that later states are reached too.
greetings = st.builds(
    lambda methods: bytes((5, len(methods))) + methods,
    st.binary(max_size=255) | st.sampled_from([b"\x00", b"\x02", b"\x00\x02"]),
)
credentials = st.just(BOB) | st.builds(
    lambda name, password: bytes((1, len(name))) + name + bytes((len(password),)) + password,
    st.binary(max_size=255),
    st.binary(max_size=255),
)
requests = st.builds(
    lambda version, command, address: bytes((version, command, 0)) + address,
    st.just(5) | st.integers(0, 255),
    st.sampled_from([1, 2, 3, 0xF0, 0xF1]) | st.integers(0, 255),
    st.builds(lambda host, port: encode_address(Target(host, port)), hosts, ports)
    | st.binary(max_size=30),
)
conversations = st.binary(max_size=600) | st.builds(
    lambda *parts: b"".join(parts),
    greetings,
    credentials | st.just(b""),
    requests,
    st.binary(max_size=50),
)


@given(conversations, users, places, replies)
def test_any_split_of_any_bytes_gives_the_same(
    data: bytes, who: Users, cuts: list[int], codes: list[Reply]
) -> None:
    events = check_any_split(lambda: Socks5(who), data, cuts, codes)
    assert len(events) <= 3
    if who.required and requested(events):
        assert WELCOME in events


@given(conversations, users, places)
def test_little_is_held_before_the_request_is_whole(
    data: bytes, who: Users, cuts: list[int]
) -> None:
    socks = Socks5(who)
    for piece in cut(data, cuts):
        if requested(socks.receive(piece)):
            break
        assert len(socks._buffer) < LONGEST_MESSAGE


def test_the_longest_message_is_held_until_its_last_byte() -> None:
    socks = Socks5()
    longest = b"\x01\xff" + b"n" * 255 + b"\xff" + b"p" * 255
    assert len(longest) == LONGEST_MESSAGE == 513
    assert hear(socks, [GREETING_WITH_CREDENTIALS, longest[:-1]]) == [CREDENTIALS_CHOSEN]
    assert len(socks._buffer) == LONGEST_MESSAGE - 1
    assert socks.receive(longest[-1:]) == [WELCOME]
