"""What stands before a datagram: taken apart, put together, dropped with a reason."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.proxy.dialects import ports, targets
from vsocks.address import Target, encode_address
from vsocks.proxy.udp import LONGEST_HEADER, Malformed, encode_header, parse_datagram

pytestmark = pytest.mark.unit

TO_IPV4 = bytes.fromhex("0000 00 01 c0000201 0035")


def parse(datagram: bytes) -> tuple[Target, bytes] | Malformed:
    """What comes of a datagram, its data as bytes."""
    parsed = parse_datagram(memoryview(datagram))
    return parsed if isinstance(parsed, Malformed) else (parsed[0], bytes(parsed[1]))


@pytest.mark.parametrize(
    ("header", "target"),
    [
        (TO_IPV4, Target("192.0.2.1", 53)),
        (b"\0\0\0\x03\x0bexample.com\0\x35", Target("example.com", 53)),
        (b"\0\0\0\x04" + bytes(15) + b"\x01\0\x35", Target("::1", 53)),
    ],
)
@pytest.mark.parametrize("data", [b"", b"x", b"\0" * 2000])
def test_a_datagram_is_a_target_and_data(header: bytes, target: Target, data: bytes) -> None:
    assert parse(header + data) == (target, data)
    assert encode_header(target) == header


def test_the_data_are_a_view_and_no_copy() -> None:
    buffer = bytearray(TO_IPV4 + b"data")
    parsed = parse_datagram(memoryview(buffer))
    assert not isinstance(parsed, Malformed)
    buffer[-1] = ord("s")
    assert bytes(parsed[1]) == b"dats"


@pytest.mark.parametrize(
    ("datagram", "reason"),
    [
        ("", Malformed.TOO_SHORT),
        ("00", Malformed.TOO_SHORT),
        ("0000", Malformed.TOO_SHORT),
        ("0000 00", Malformed.TOO_SHORT),
        ("0000 00 01 c0000201 00", Malformed.TOO_SHORT),
        ("0000 00 03 05 61 0035", Malformed.TOO_SHORT),
        ("0000 00 03", Malformed.TOO_SHORT),
        ("0001 00 01 c0000201 0035", Malformed.RESERVED_NOT_ZERO),
        ("0100 00 01 c0000201 0035", Malformed.RESERVED_NOT_ZERO),
        ("0000 01 01 c0000201 0035", Malformed.FRAGMENT),
        ("0000 80 01 c0000201 0035", Malformed.FRAGMENT),
        ("0000 00 02 c0000201 0035", Malformed.BAD_ADDRESS),
        ("0000 00 03 00 0035", Malformed.BAD_ADDRESS),
        ("0000 00 03 01 20 0035", Malformed.BAD_ADDRESS),
    ],
)
def test_what_is_malformed_is_dropped_with_a_reason(datagram: str, reason: Malformed) -> None:
    assert parse(bytes.fromhex(datagram)) is reason


@given(targets, st.binary(max_size=100))
def test_what_was_put_together_comes_apart_again(target: Target, data: bytes) -> None:
    header = encode_header(target)
    assert len(header) <= LONGEST_HEADER
    assert parse(header + data) == (target, data)


def test_the_longest_header() -> None:
    assert len(encode_header(Target("n" * 255, 53))) == LONGEST_HEADER


@given(
    st.binary(max_size=300)
    | st.builds(lambda address: bytes(3) + address, st.binary(max_size=300))
    | st.builds(lambda target, end: bytes(3) + encode_address(target)[:end], targets, ports)
)
def test_any_bytes_are_a_datagram_or_malformed(datagram: bytes) -> None:
    parsed = parse(datagram)
    if not isinstance(parsed, Malformed):
        target, data = parsed
        assert datagram.startswith(bytes(3))
        assert datagram.endswith(data)
        # A name that spells an address comes back as that address.
        assert parse(encode_header(target) + data) == (target, data)
