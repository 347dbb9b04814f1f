"""The messages that features bring: there and back, their exact bytes, and any bytes at all."""

from __future__ import annotations

import contextlib
from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vsocks.address import Target
from vsocks.errors import ProtocolError
from vsocks.protocol.messages import (
    Kind,
    Listen,
    Listening,
    Message,
    decode_message,
    encode_message,
)
from vsocks.protocol.parcels import (
    Ask,
    Associate,
    Associated,
    Datagram,
    Dissociate,
    Parcel,
    ParcelKind,
    Tell,
    Topic,
)

pytestmark = pytest.mark.unit

BYTES = st.integers(0, 0xFF)
IDS = st.integers(0, 0xFFFF)
NUMBERS = st.integers(0, 0xFFFF_FFFF)
HOSTS = st.one_of(
    st.from_regex(r"[A-Za-z0-9._-]{1,255}", fullmatch=True),
    st.ip_addresses().map(str),
)
TARGETS = st.builds(Target, HOSTS, IDS)
DATA = st.binary(max_size=2000)
OPEN_ENDED: st.SearchStrategy[Parcel] = st.one_of(
    st.builds(Datagram, NUMBERS, TARGETS, DATA),
    st.builds(Ask, NUMBERS, BYTES, DATA),
    st.builds(Tell, NUMBERS, BYTES, DATA),
)
FIXED: st.SearchStrategy[Message] = st.one_of(
    st.builds(Associate, NUMBERS),
    st.builds(Associated, NUMBERS, BYTES),
    st.builds(Dissociate, NUMBERS),
    st.builds(Listen, IDS, TARGETS),
    st.builds(Listening, IDS, TARGETS),
)
KINDS = [Kind.LISTEN, Kind.LISTENING, *ParcelKind]


def decode(payload: bytes) -> Message | None:
    return decode_message(memoryview(payload))


@given(st.one_of(OPEN_ENDED, FIXED))
def test_there_and_back(message: Message) -> None:
    assert decode(encode_message(message)) == message


@pytest.mark.parametrize(
    ("message", "payload"),
    [
        (Listen(5, Target("a.de", 80)), "80 0500 03 04 612e6465 0050"),
        (Listening(0x0102, Target("10.0.0.1", 258)), "81 0201 01 0a000001 0102"),
        (Associate(0x01020304), "82 04030201"),
        (Associated(1, 2), "83 01000000 02"),
        (Datagram(1, Target("::1", 53), b"ping"), f"84 01000000 04 {'00' * 15}01 0035 70696e67"),
        (Datagram(1, Target("a.de", 53), b""), "84 01000000 03 04 612e6465 0035"),
        (Dissociate(0xFFFFFFFF), "85 ffffffff"),
        (Ask(0x0102, Topic.ADDRESS_OF, b"a.de"), "86 02010000 01 612e6465"),
        (Ask(1, 0xFF, b""), "86 01000000 ff"),
        (Tell(1, 0, b"\1\2"), "87 01000000 00 0102"),
        (Tell(1, 4, b""), "87 01000000 04"),
    ],
)
def test_the_bytes_of_each_message(message: Message, payload: str) -> None:
    assert encode_message(message) == bytes.fromhex(payload)
    assert decode(bytes.fromhex(payload)) == message


@given(FIXED, st.data())
def test_a_message_cut_short_or_with_a_byte_behind_it_is_none(
    message: Message, data: st.DataObject
) -> None:
    payload = encode_message(message)
    cut = data.draw(st.integers(1, len(payload) - 1))
    for wrong in (payload[:cut], payload + b"\1"):
        with pytest.raises(ProtocolError, match=f"kind {payload[0]:#04x}"):
            decode(wrong)


@given(OPEN_ENDED, st.data())
def test_a_parcel_cut_short_in_its_head_is_none(parcel: Parcel, data: st.DataObject) -> None:
    payload = encode_message(parcel)
    assert isinstance(parcel, (Datagram, Ask, Tell))
    head = len(payload) - len(parcel.data)
    cut = data.draw(st.integers(1, head - 1))
    with pytest.raises(ProtocolError, match=f"kind {payload[0]:#04x}"):
        decode(payload[:cut])


@given(OPEN_ENDED, DATA)
def test_what_is_behind_the_head_of_a_parcel_is_its_data(parcel: Parcel, more: bytes) -> None:
    assert isinstance(parcel, (Datagram, Ask, Tell))
    longer = decode(encode_message(parcel) + more)
    assert isinstance(longer, (Datagram, Ask, Tell))
    assert bytes(longer.data) == bytes(parcel.data) + more


@given(st.sampled_from(KINDS), st.binary(max_size=60))
def test_any_bytes_of_a_known_kind_are_a_message_or_an_error(kind: int, rest: bytes) -> None:
    with contextlib.suppress(ProtocolError):
        message = decode(bytes([kind]) + rest)
        assert message is not None
        # A name that spells an address becomes one; what is said again stays as it is.
        again = decode(encode_message(message))
        assert again == message


@given(st.integers(0x88, 0xFF), st.binary(max_size=60))
def test_kinds_of_later_versions_are_skipped(kind: int, rest: bytes) -> None:
    assert decode(bytes([kind]) + rest) is None


@pytest.mark.parametrize(
    "address",
    [
        pytest.param("", id="none"),
        pytest.param("01 c0000209", id="no port"),
        pytest.param("03 00 0035", id="an empty name"),
        pytest.param("03 01 0a 0035", id="a line break"),
        pytest.param("03 01 00 0035", id="a NUL"),
        pytest.param("02 c0000209 0035", id="a type that nobody defined"),
    ],
)
@pytest.mark.parametrize(
    "head", ["80 0000", "81 0000", "84 01000000"], ids=["LISTEN", "LISTENING", "DATAGRAM"]
)
def test_an_address_that_is_none(head: str, address: str) -> None:
    with pytest.raises(ProtocolError, match="bad control message"):
        decode(bytes.fromhex(head + address))


def test_the_data_of_a_parcel_is_not_copied() -> None:
    """One copy a datagram would be for nothing: the daemon gives it to a socket at once."""
    payload = bytearray(encode_message(Datagram(1, Target(str(IPv4Address(1)), 1), b"before")))
    datagram = decode_message(memoryview(payload))
    assert isinstance(datagram, Datagram)
    payload[-6:] = b"behind"
    assert bytes(datagram.data) == b"behind"
