"""The wire format: every message there and back, its exact bytes, and any bytes at all."""

from __future__ import annotations

import contextlib
import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vsocks.address import Target
from vsocks.errors import ProtocolError
from vsocks.protocol.frames import epoch_of
from vsocks.protocol.messages import (
    Ack,
    Close,
    Credit,
    End,
    Goodbye,
    Kind,
    Message,
    Open,
    OpenResult,
    Ping,
    Pong,
    decode_message,
    encode_message,
)
from vsocks.protocol.parcels import ParcelKind

pytestmark = pytest.mark.unit

BYTES = st.integers(0, 0xFF)
IDS = st.integers(0, 0xFFFF)
SIZES = st.integers(0, 0xFFFF_FFFF)
TOKENS = st.integers(0, 0xFFFF_FFFF_FFFF_FFFF)
HOSTS = st.one_of(
    st.from_regex(r"[A-Za-z0-9._-]{1,255}", fullmatch=True),
    st.ip_addresses().map(str),
)
TARGETS = st.builds(Target, HOSTS, IDS)
REASONS = st.text(st.characters(codec="utf-8"), max_size=50)
MESSAGES: st.SearchStrategy[Message] = st.one_of(
    st.builds(Open, IDS, TARGETS),
    st.builds(OpenResult, IDS, BYTES, st.none() | TARGETS),
    st.builds(Credit, IDS, SIZES),
    st.builds(End, IDS),
    st.builds(Close, IDS, BYTES),
    st.builds(Ack, SIZES),
    st.builds(Ping, TOKENS),
    st.builds(Pong, TOKENS),
    st.builds(Goodbye, REASONS),
)


def decode(payload: bytes) -> Message | None:
    return decode_message(memoryview(payload))


@given(MESSAGES)
def test_there_and_back(message: Message) -> None:
    assert decode(encode_message(message)) == message


@pytest.mark.parametrize(
    ("message", "payload"),
    [
        (Open(5, Target("10.1.2.3", 443)), "10 0500 01 0a010203 01bb"),
        (Open(5, Target("a.de", 80)), "10 0500 03 04 612e6465 0050"),
        (Open(5, Target("::1", 80)), "10 0500 04 00000000000000000000000000000001 0050"),
        (OpenResult(5, 0, Target("10.0.0.1", 258)), "11 0500 00 01 0a000001 0102"),
        (OpenResult(0x0102, 4, None), "11 0201 04"),
        (Credit(5, 0x01020304), "12 0500 04030201"),
        (End(5), "13 0500"),
        (Close(5, 1), "14 0500 01"),
        (Ack(0x01020304), "15 04030201"),
        (Ping(1), "16 0100000000000000"),
        (Pong(0x0102), "17 0201000000000000"),
        (Goodbye("né"), "18 6ec3a9"),
    ],
)
def test_the_bytes_of_each_message(message: Message, payload: str) -> None:
    assert encode_message(message) == bytes.fromhex(payload)
    assert decode(bytes.fromhex(payload)) == message


@given(MESSAGES)
def test_a_message_with_a_byte_too_many_is_none(message: Message) -> None:
    if not isinstance(message, Goodbye):
        with pytest.raises(ProtocolError):
            decode(encode_message(message) + b"\1")


@given(MESSAGES, st.data())
def test_a_message_that_is_cut_short_is_none(message: Message, data: st.DataObject) -> None:
    payload = encode_message(message)
    cut = data.draw(st.integers(0, len(payload) - 1))
    if isinstance(message, Goodbye) and cut:
        return
    if isinstance(message, OpenResult) and cut == 4:
        return  # as long as an answer without an address
    with pytest.raises(ProtocolError):
        decode(payload[:cut])


@given(st.binary(max_size=600))
def test_any_bytes_are_a_message_or_an_error(payload: bytes) -> None:
    assert "\n" not in complaint_about(payload)


@given(st.integers(0x10, 0x18), st.binary(max_size=40))
def test_any_bytes_of_a_known_kind_are_a_message_or_an_error(kind: int, rest: bytes) -> None:
    complaint = complaint_about(bytes([kind]) + rest)
    assert not complaint or f"{kind:#04x}" in complaint


def complaint_about(payload: bytes) -> str:
    """The text of the error, empty if it is a message."""
    try:
        decode(payload)
    except ProtocolError as error:
        return str(error)
    return ""


@given(st.integers(0, 0xFF), st.binary(max_size=40))
def test_unknown_kinds_are_errors_up_to_0x7f_and_skipped_from_0x80(kind: int, rest: bytes) -> None:
    payload = bytes([kind]) + rest
    if kind >= 0x80 and kind not in {*Kind, *ParcelKind}:
        assert decode(payload) is None
    elif kind >= 0x80:
        with contextlib.suppress(ProtocolError):
            decode(payload)
    elif not 0x10 <= kind <= 0x18:
        with pytest.raises(ProtocolError, match="no such kind"):
            decode(payload)


def test_a_long_goodbye_is_shortened() -> None:
    payload = encode_message(Goodbye("é" * 5000))
    assert len(payload) <= 256
    assert isinstance(decode(payload), Goodbye)


def test_a_goodbye_that_is_no_utf_8_is_a_goodbye_still() -> None:
    assert decode(b"\x18it rains\xff") == Goodbye("it rains\ufffd")


@given(TOKENS, TOKENS)
def test_the_two_directions_have_different_epochs(ours: int, theirs: int) -> None:
    if ours != theirs:
        assert epoch_of(ours, theirs) != epoch_of(theirs, ours)


def test_no_epoch_is_zero() -> None:
    """Zeros, as in padding, must never have a right check."""
    nonces_of_crc_zero = (1, 0xB993F0A7)
    assert zlib.crc32(struct.pack("<QQ", *nonces_of_crc_zero)) == 0
    assert epoch_of(*nonces_of_crc_zero) != 0
