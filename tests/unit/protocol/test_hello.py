"""Hellos: their bytes, and finding them in anything."""

from __future__ import annotations

import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vsocks.protocol.frames import CONTROL_ID, HEADER
from vsocks.protocol.handshake import (
    HELLO_SIZE,
    MAGIC,
    MIN_MAX_FRAME,
    MIN_WINDOW,
    Feature,
    Hello,
    Offer,
    Role,
    decode_hello,
    find_hello,
)

pytestmark = pytest.mark.unit

NONCES = st.integers(1, (1 << 64) - 1)
OFFERS = st.builds(
    Offer,
    st.integers(1, 0xFFFF),
    st.integers(MIN_WINDOW, (1 << 32) - 1),
    st.integers(MIN_MAX_FRAME, 0xFFFF),
)
HELLOS = st.builds(
    Hello, st.sampled_from(Role), NONCES, st.just(0) | NONCES, OFFERS, st.integers(1, 255)
)
HELLO = Hello(Role.GUEST, 0x1122334455667788, 7, Offer(64, 4096, 9000))
#: Anything, and what comes nearest to a hello.
JUNK = st.lists(
    st.one_of(
        st.binary(max_size=80),
        st.just(MAGIC),
        st.integers(1, HELLO_SIZE - 1).map(lambda size: HELLO.encode()[:size]),
        st.integers(1, HELLO_SIZE - 1).map(lambda size: HELLO.encode()[size:]),
        st.integers(0, 70_000).map(bytes),
    ),
    max_size=4,
).map(b"".join)


def payload_of(hello: bytes) -> memoryview:
    return memoryview(hello)[HEADER.size :]


# -- the bytes -----------------------------------------------------------------------------


@given(HELLOS)
def test_there_and_back(hello: Hello) -> None:
    encoded = hello.encode()
    assert len(encoded) == HELLO_SIZE
    assert HEADER.unpack_from(encoded) == (CONTROL_ID, HELLO_SIZE - HEADER.size)
    assert decode_hello(payload_of(encoded)) == hello


def test_the_bytes_of_a_hello() -> None:
    body = bytes.fromhex(
        "01 00000000 0000 76736f636b730d0a00"  # a request to 0.0.0.0 port 0, "vsocks\r\n\0"
        "01 00 4000"  # version, role, streams
        "8877665544332211 0700000000000000"  # nonce, echo
        "00100000 2823 0f00"  # window, longest frame, all features
    )
    frame = struct.pack("<HH", 0xFFFF, len(body) + 4) + body + struct.pack("<I", zlib.crc32(body))
    assert HELLO.encode() == frame


@given(st.integers(0, HELLO_SIZE - HEADER.size - 1), st.integers(1, 255))
def test_any_damaged_byte_is_noticed(at: int, damage: int) -> None:
    payload = bytearray(payload_of(HELLO.encode()))
    payload[at] ^= damage
    assert decode_hello(memoryview(payload)) is None


def test_a_hello_cut_short_is_none() -> None:
    for size in range(HELLO_SIZE - HEADER.size):
        assert decode_hello(payload_of(HELLO.encode())[:size]) is None


def crafted(body: bytes) -> bytes:
    """The frame of a hello with that body behind the magic."""
    body = MAGIC + body
    return HEADER.pack(CONTROL_ID, len(body) + 4) + body + struct.pack("<I", zlib.crc32(body))


def test_a_hello_that_says_less_is_none() -> None:
    body = struct.pack("<BBHQQIH", 1, 1, 8, 5, 6, 2048, 600)
    assert decode_hello(payload_of(crafted(body))) is None
    assert decode_hello(payload_of(crafted(b""))) is None


def test_a_later_version_may_say_more() -> None:
    body = struct.pack("<BBHQQIHH", 2, 1, 8, 5, 6, 2048, 600, 0xFFF1) + b"more that we don't know"
    hello, end = find_hello(crafted(body) + b"rest")
    assert hello == Hello(Role.HOST, 5, 6, Offer(8, 2048, 600, Feature.DATAGRAMS), version=2)
    assert end == len(crafted(body))


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param((0, 0, 8, 5, 6, 2048, 600, 0), id="no version"),
        pytest.param((1, 2, 8, 5, 6, 2048, 600, 0), id="an unknown role"),
        pytest.param((1, 0, 0, 5, 6, 2048, 600, 0), id="no streams"),
        pytest.param((1, 0, 8, 0, 6, 2048, 600, 0), id="no nonce"),
        pytest.param((1, 0, 8, 5, 6, 1023, 600, 0), id="a window too small"),
        pytest.param((1, 0, 8, 5, 6, 2048, 511, 0), id="frames too short"),
    ],
)
def test_a_hello_that_promises_nonsense_is_none(fields: tuple[int, ...]) -> None:
    assert decode_hello(payload_of(crafted(struct.pack("<BBHQQIHH", *fields)))) is None


# -- finding one ---------------------------------------------------------------------------


def searched(data: bytes, chunks: list[int]) -> tuple[Hello | None, bytes]:
    """Find a hello in bytes that come in chunks, as an endpoint does; with what is behind it."""
    held = b""
    for size in [*chunks, len(data)]:
        held, data = held + data[:size], data[size:]
        hello, start, done = None, -1, 0
        while hello is None and done > start:
            start = done
            hello, done = find_hello(held, start)
        held = held[done:]
        if hello is not None:
            return hello, held + data
        assert len(held) < 5 * HELLO_SIZE, "junk piles up"
    return None, held


@given(JUNK, HELLOS, st.lists(st.integers(1, 90), max_size=30))
def test_a_hello_is_found_behind_any_junk_in_any_chunks(
    junk: bytes, hello: Hello, chunks: list[int]
) -> None:
    # Of the beginning of a hello the rest must come before it is known to be none.
    rest = bytes(4 * HELLO_SIZE)
    first, behind = searched(junk + hello.encode() + rest, chunks)
    if first != hello:
        # The junk ended in a cut hello which this one has made whole.
        assert first == HELLO
        first, behind = searched(behind, [])
    assert first == hello
    assert behind == rest


def test_what_claims_to_be_a_far_longer_hello_is_not_waited_for() -> None:
    claim = HEADER.pack(CONTROL_ID, 5 * HELLO_SIZE) + MAGIC
    assert searched(claim + HELLO.encode(), []) == (HELLO, b"")


@pytest.mark.parametrize("junk", [b"", b"\xff" * 100])
def test_a_hello_is_found_wherever_it_is_cut(junk: bytes) -> None:
    for cut in range(HELLO_SIZE):
        assert searched(junk + HELLO.encode(), [len(junk) + cut]) == (HELLO, b"")


@given(HELLOS, HELLOS, st.lists(st.integers(1, 90), max_size=10))
def test_of_two_hellos_both_are_found(one: Hello, two: Hello, chunks: list[int]) -> None:
    first, behind = searched(one.encode() + two.encode(), chunks)
    assert (first, searched(behind, [])) == (one, (two, b""))


@given(st.binary(max_size=300), st.lists(st.integers(1, 90), max_size=10))
def test_without_a_hello_next_to_nothing_is_kept(junk: bytes, chunks: list[int]) -> None:
    hello, held = searched(junk, chunks)
    assert hello is None
    assert len(held) < HEADER.size + len(MAGIC)
