"""The SOCKS address form: RFC 1928's examples, and any bytes at all."""

from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vsocks.address import (
    AddressError,
    BadAddressError,
    Target,
    ascii_name,
    encode_address,
    parse_address,
)

pytestmark = pytest.mark.unit

EXAMPLES = [
    (Target("192.0.2.1", 80), "01 c0000201 0050"),
    (Target("example.com", 443), "03 0b 6578616d706c652e636f6d 01bb"),
    (Target("2001:db8::1", 8080), "04 20010db8000000000000000000000001 1f90"),
    (Target("0.0.0.0", 0), "01 00000000 0000"),
]

names = st.from_regex(r"[A-Za-z0-9._-]{1,255}", fullmatch=True)
ips = st.ip_addresses().map(str)
targets = st.builds(Target, names | ips, st.integers(0, 0xFFFF))


@pytest.mark.parametrize(("target", "octets"), EXAMPLES)
def test_examples_both_ways(target: Target, octets: str) -> None:
    data = bytes.fromhex(octets)
    assert encode_address(target) == data
    assert parse_address(data) == (target, len(data))


@given(targets, st.binary(max_size=20), st.binary(max_size=20))
def test_roundtrip_at_any_offset(target: Target, before: bytes, after: bytes) -> None:
    data = encode_address(target)
    found = parse_address(memoryview(before + data + after), len(before))
    assert found == (target, len(before) + len(data))


@given(targets)
def test_every_proper_prefix_is_incomplete(target: Target) -> None:
    data = encode_address(target)
    for size in range(len(data)):
        assert parse_address(data[:size]) is None


@given(
    st.binary(max_size=300)
    | st.builds(
        lambda kind, rest: bytes((kind,)) + rest,
        st.sampled_from([1, 3, 4]),
        st.binary(max_size=300),
    ),
    st.integers(0, 4),
)
def test_any_bytes_give_a_target_or_an_address_error(data: bytes, offset: int) -> None:
    try:
        found = parse_address(data, offset)
    except AddressError:
        return
    if found is not None:
        target, end = found
        assert offset < end <= len(data)
        # What was understood can be said again, and means the same.
        assert parse_address(encode_address(target)) == (target, len(encode_address(target)))


@pytest.mark.parametrize("address_type", [0, 2, 5, 0xFF])
def test_unknown_type_is_told_by_its_first_byte(address_type: int) -> None:
    with pytest.raises(AddressError, match=f"type {address_type} ") as caught:
        parse_address(bytes((address_type,)))
    assert caught.value.address_type == address_type
    assert not isinstance(caught.value, BadAddressError)


@pytest.mark.parametrize(
    "name",
    [
        b"a\x00b",
        b"a b",
        b"a\nb",
        b"ab\n",
        b"caf\xc3\xa9.example",
        b"\xff",
        b"[::1]",
        b"fe80::1%eth0",
        b"a:b",
        b"a/b",
    ],
)
def test_bad_names(name: bytes) -> None:
    with pytest.raises(BadAddressError) as caught:
        parse_address(bytes((3, len(name))) + name + b"\x00\x50")
    assert caught.value.address_type == 3
    assert "\n" not in str(caught.value)


def test_empty_name_is_told_by_its_length_byte() -> None:
    with pytest.raises(BadAddressError, match="empty"):
        parse_address(b"\x03\x00")


@pytest.mark.parametrize(
    ("name", "host", "ip"),
    [
        (b"127.0.0.1", "127.0.0.1", IPv4Address("127.0.0.1")),
        (b"::1", "::1", IPv6Address("::1")),
        (b"0:0:0:0:0:0:0:1", "::1", IPv6Address("::1")),
        (b"127.1", "127.1", None),
        (b"example.com", "example.com", None),
    ],
)
def test_a_name_that_spells_an_address_is_that_address(
    name: bytes, host: str, ip: IPv4Address | IPv6Address | None
) -> None:
    found = parse_address(bytes((3, len(name))) + name + b"\x00\x50")
    assert found is not None
    assert found[0] == Target(host, 80)
    assert found[0].ip == ip


def test_targets_as_text() -> None:
    assert str(Target("example.com", 80)) == "example.com:80"
    assert str(Target("10.0.0.1", 80)) == "10.0.0.1:80"
    assert str(Target("::1", 80)) == "[::1]:80"


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (Target("", 80), "no host name"),
        (Target("a" * 256, 80), "longer than 255"),
        (Target("a\x00b", 80), "no host name"),
        (Target("fe80::1%eth0", 80), "no host name"),
        (Target("ü" * 70, 80), "no host name"),
        (Target("a.example", -1), "no port"),
        (Target("a.example", 65536), "no port"),
    ],
)
def test_what_has_no_form(target: Target, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        encode_address(target)


def test_international_names_travel_as_ascii() -> None:
    assert ascii_name("bücher.example") == "xn--bcher-kva.example"
    found = parse_address(encode_address(Target("bücher.example", 80)))
    assert found is not None
    assert found[0] == Target("xn--bcher-kva.example", 80)


def test_a_wide_slash_does_not_slip_in_by_normalisation() -> None:
    with pytest.raises(ValueError, match="no host name"):
        ascii_name("a／b")  # noqa: RUF001 - the wide slash is the point
