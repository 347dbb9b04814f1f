"""SOCKS4 and 4a: both commands, their strings and bounds, in any split, and any bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.proxy.dialects import (
    BOUND,
    NAMED,
    check_any_split,
    cut,
    hear,
    places,
    ports,
    replies,
    requested,
    trickle,
    users,
)
from vsocks.address import Target
from vsocks.proxy.requests import Bind, Connect, Refuse, Request
from vsocks.proxy.socks4 import LONGEST_MESSAGE, Socks4
from vsocks.proxy.users import Users
from vsocks.reply import Reply

pytestmark = pytest.mark.unit

TO_IPV4 = bytes.fromhex("04 01 0050 c0000201") + b"bob\0"
TO_NAME = bytes.fromhex("04 01 01bb 00000001") + b"bob\0example.com\0"
BIND = bytes.fromhex("04 02 0050 c0000201") + b"\0"
GRANTED = bytes.fromhex("00 5a 0000 00000000")
REJECTED = bytes.fromhex("00 5b 0000 00000000")
WRONG_USER = bytes.fromhex("00 5d 0000 00000000")


@pytest.mark.parametrize(
    ("request_bytes", "request_"),
    [
        (TO_IPV4, Connect(Target("192.0.2.1", 80))),
        (TO_NAME, Connect(Target("example.com", 443))),
        (BIND, Bind(Target("192.0.2.1", 80))),
        (b"\x04\x02\0\x50\0\0\0\x01\0example.com\0", Bind(Target("example.com", 80))),
        (b"\x04\x01\0\x50\0\0\0\0\0", Connect(Target("0.0.0.0", 80))),
        (b"\x04\x01\0\x50\0\0\x01\x01\0", Connect(Target("0.0.1.1", 80))),
        (b"\x04\x01\0\x50\0\0\0\xff\x00192.0.2.1\0", Connect(Target("192.0.2.1", 80))),
        (b"\x04\x01\0\x50\0\0\0\xff\0::1\0", Connect(Target("::1", 80))),
    ],
)
def test_each_command_is_passed_on(request_bytes: bytes, request_: Request) -> None:
    socks = Socks4()
    assert socks.receive(request_bytes) == [request_]
    assert socks.leftover == b""
    assert not socks.is_answered


@pytest.mark.parametrize("request_bytes", [TO_IPV4, TO_NAME, BIND])
def test_byte_by_byte_the_last_byte_is_the_one(request_bytes: bytes) -> None:
    socks = Socks4()
    assert hear(socks, trickle(request_bytes[:-1])) == []
    assert len(socks.receive(request_bytes[-1:])) == 1


@pytest.mark.parametrize(
    ("bound", "address"),
    [
        (None, "0000 00000000"),
        (BOUND, "9c40 c6336407"),
        (Target("2001:db8::1", 8080), "0000 00000000"),
        (Target("example.com", 8080), "0000 00000000"),
    ],
)
def test_a_reply_has_what_is_bound_if_it_is_ipv4(bound: Target | None, address: str) -> None:
    socks = Socks4()
    socks.receive(TO_NAME)
    assert socks.reply(Reply.SUCCEEDED, bound) == bytes.fromhex("00 5a" + address)
    assert socks.is_answered


@pytest.mark.parametrize("code", [*(code for code in Reply if code), 9, 255, 256, -1])
def test_there_is_one_code_for_all_failures(code: int) -> None:
    socks = Socks4()
    socks.receive(TO_NAME)
    assert socks.reply(code) == REJECTED
    assert socks.is_answered


def test_a_bind_is_answered_when_it_listens_and_when_somebody_came() -> None:
    socks = Socks4()
    socks.receive(BIND)
    assert socks.reply(Reply.SUCCEEDED, BOUND) == bytes.fromhex("00 5a 9c40 c6336407")
    assert not socks.is_answered
    came = Target("192.0.2.1", 20)
    assert socks.reply(Reply.SUCCEEDED, came) == bytes.fromhex("00 5a 0014 c0000201")
    assert socks.is_answered
    with pytest.raises(RuntimeError):
        socks.reply(Reply.SUCCEEDED)


def test_a_reply_is_given_only_to_a_request() -> None:
    with pytest.raises(RuntimeError):
        Socks4().reply(Reply.SUCCEEDED)


def test_optimistic_data_is_kept() -> None:
    socks = Socks4()
    assert len(socks.receive(TO_NAME + b"GET /\0")) == 1
    assert socks.receive(b" HTTP/1.1") == []
    assert socks.leftover == b"GET /\0 HTTP/1.1"
    assert socks.reply(Reply.SUCCEEDED) == GRANTED
    assert socks.leftover == b"GET /\0 HTTP/1.1"


@pytest.mark.parametrize(
    ("request_bytes", "reason"),
    [
        (b"\x04\0\0\x50\xc0\0\x02\x01bob\0", "user 'bob': command 0 is not supported"),
        (b"\x04\x03\0\x50\xc0\0\x02\x01\0", "user '': command 3 is not supported"),
        (b"\x04\xf0\0\x50\0\0\0\x01\n\0a\0", r"user '\n': command 240 is not supported"),
        (b"\x04\x01\0\x50\0\0\0\x01bob\0\0", "user 'bob': an empty host name"),
        (b"\x04\x01\0\x50\0\0\0\x01\0a b\0", "user '': b'a b' is no host name"),
        (
            b"\x04\x01\0\x50\xc0\0\x02\x01" + b"u" * 256,
            "the user id of a SOCKS4 request has no end within 255 bytes",
        ),
        (
            b"\x04\x01\0\x50\0\0\0\x01\0" + b"n" * 256,
            "the name of a SOCKS4 request has no end within 255 bytes",
        ),
    ],
)
def test_refused_requests(request_bytes: bytes, reason: str) -> None:
    socks = Socks4()
    assert hear(socks, trickle(request_bytes[:-1])) == []
    assert socks.receive(request_bytes[-1:]) == [Refuse(REJECTED, reason)]


def test_where_users_are_required_nobody_can_show_to_be_one() -> None:
    [refusal] = Socks4(NAMED).receive(TO_IPV4)
    assert refusal == Refuse(
        WRONG_USER, "user 'bob' can't show a password: SOCKS4 has none, and here it takes one"
    )


@pytest.mark.parametrize("first", [b"\x05\x01\x00", b"GET / HTTP/1.1\r\n", b"\x00"])
def test_another_protocol_gets_no_answer(first: bytes) -> None:
    [refusal] = hear(Socks4(), trickle(first))
    assert refusal == Refuse(b"", f"the client speaks no SOCKS4: first byte {first[0]:#04x}")


@pytest.mark.parametrize("strings", [b"u" * 256 + b"\0", b"\0" + b"n" * 256 + b"\0"])
def test_a_string_that_is_a_byte_too_long_is_refused_with_its_end(strings: bytes) -> None:
    [event] = hear(Socks4(), [b"\x04\x01\0\x50\0\0\0\x01" + strings])
    assert isinstance(event, Refuse)
    assert "no end within 255 bytes" in event.reason


def test_the_longest_request_is_taken() -> None:
    name = "n" * 255
    longest = b"\x04\x01\0\x50\0\0\0\x01" + b"u" * 255 + b"\0" + name.encode() + b"\0"
    assert len(longest) == LONGEST_MESSAGE
    assert hear(Socks4(), trickle(longest)) == [Connect(Target(name, 80))]


def test_nothing_is_heard_or_kept_after_a_refusal() -> None:
    socks = Socks4(NAMED)
    socks.receive(TO_IPV4)
    assert socks.receive(TO_IPV4) == []
    assert socks.leftover == b""
    assert not socks._buffer
    assert not socks.is_answered


# Bytes that get far: mostly well-formed pieces, so that later states are reached too.
strings = st.binary(max_size=260) | st.from_regex(rb"[a-z0-9.-]{1,255}\x00", fullmatch=True)
requests = st.builds(
    lambda version, command, port, ip, user, name: (
        bytes((version, command)) + port.to_bytes(2, "big") + ip + user + name
    ),
    st.just(4) | st.integers(0, 255),
    st.sampled_from([1, 2]) | st.integers(0, 255),
    ports,
    st.just(b"\0\0\0\x01") | st.binary(min_size=4, max_size=4),
    strings | st.just(b"\0"),
    strings,
)
conversations = st.binary(max_size=600) | st.builds(
    lambda request, data: request + data, requests, st.binary(max_size=50)
)


@given(conversations, users, places, replies)
def test_any_split_of_any_bytes_gives_the_same(
    data: bytes, who: Users, cuts: list[int], codes: list[Reply]
) -> None:
    events = check_any_split(lambda: Socks4(who), data, cuts, codes)
    assert len(events) <= 1
    assert not (who.required and requested(events))


@given(conversations, users, places)
def test_little_is_held_before_the_request_is_whole(
    data: bytes, who: Users, cuts: list[int]
) -> None:
    socks = Socks4(who)
    for piece in cut(data, cuts):
        if requested(socks.receive(piece)):
            break
        assert len(socks._buffer) < LONGEST_MESSAGE
