"""Addresses: the SOCKS form by RFC 1928's examples and any bytes at all, and HOST:PORT as text."""

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
    format_host_port,
    loopback_or,
    parse_address,
    parse_host,
    parse_host_port,
    parse_port,
    parse_port_range,
    split_at_colons,
    split_host_port,
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


# -- as people write it --------------------------------------------------------------------

host_names = st.from_regex(
    r"[a-z0-9_]([a-z0-9_-]{0,10}[a-z0-9_])?(\.[a-z]{1,8}){0,3}", fullmatch=True
)
scoped = st.builds("fe80::{:x}%{}".format, st.integers(1, 0xFFFF), st.sampled_from(["1", "eth0"]))
hosts = host_names | ips | scoped
ports = st.integers(1, 0xFFFF)


@given(hosts, ports)
def test_host_and_port_come_back_from_text(host: str, port: int) -> None:
    text = format_host_port(host, port)
    assert parse_host_port(text) == parse_host_port(text, 80) == (host, port)
    assert str(Target(host, port)) == text


@given(hosts, ports)
def test_the_port_is_the_default_where_none_is(host: str, port: int) -> None:
    bracketed = f"[{host}]" if ":" in host else host
    assert parse_host_port(bracketed, port) == parse_host_port(host, port) == (host, port)


@given(st.ip_addresses(v=6).map(str), ports)
def test_without_a_default_an_ipv6_address_needs_no_brackets(host: str, port: int) -> None:
    assert parse_host_port(f"{host}:{port}") == (host, port)


@given(st.lists(hosts.filter(lambda host: "%" not in host), min_size=1, max_size=4), ports)
def test_fields_are_split_at_colons_outside_brackets(parts: list[str], port: int) -> None:
    fields = [f"[{part}]" if ":" in part else part for part in parts] + [str(port)]
    assert split_at_colons(":".join(fields)) == fields


@pytest.mark.parametrize(
    ("text", "split"),
    [
        ("", ("", None)),
        ("a", ("a", None)),
        ("a:", ("a", "")),
        (":1", ("", "1")),
        ("a:b", ("a", "b")),
        ("::1", ("::1", None)),
        ("::1:80", ("::1:80", None)),
        ("[::1]", ("::1", None)),
        ("[::1]:", ("::1", "")),
        ("[fd00::/8]:1-2", ("fd00::/8", "1-2")),
        ("a]:80", ("a]", "80")),
    ],
)
def test_what_is_host_and_what_is_port(text: str, split: tuple[str, str | None]) -> None:
    assert split_host_port(text) == split


@pytest.mark.parametrize("text", ["[", "[]", "[]:80", "[::1", "[::1]80", "[10.0.0.1]:80", "[a]:80"])
def test_brackets_are_for_ipv6_alone(text: str) -> None:
    for parse in split_host_port, parse_host_port:
        with pytest.raises(ValueError, match="in brackets goes IPv6"):
            parse(text)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "the port is missing"),
        ("localhost", "the port is missing$"),
        ("::1", "the port is missing; IPv6 goes in brackets"),
        ("[::1]", "the port is missing"),
        (":80", "the host is missing"),
        ("a:", "'' is no port: ports go from 1 to 65535"),
        ("a:0", "'0' is no port"),
        ("a:65536", "'65536' is no port"),
        ("a:-1", "'-1' is no port"),
        ("a:+1", r"'\+1' is no port"),
        ("a:1_0", "'1_0' is no port"),
        ("a:1 ", "'1 ' is no port"),
        ("a:٣", "'٣' is no port"),
        ("a:" + "9" * 5000, f"'{'9' * 60}…' is no port"),
        ("a b:80", "'a b' is no host name"),
        ("a..b:80", "is no host name: a part of it"),
        ("x" * 64 + ":80", "is no host name: a part of it"),
        ("a:b:80", "IPv6 goes in brackets"),
        ("fe80::1%:80", "IPv6 goes in brackets"),
        ("a\n:80", "no host name"),
    ],
)
def test_what_is_no_host_and_port(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem) as caught:
        parse_host_port(text)
    assert str(caught.value).isprintable()


def test_a_port_to_listen_on_may_be_any() -> None:
    assert parse_host_port("127.0.0.1:0", least_port=0) == ("127.0.0.1", 0)


@pytest.mark.parametrize(
    ("text", "low", "high"), [("0", 0, 0), ("80", 80, 80), ("1-1023", 1, 1023), ("7-7", 7, 7)]
)
def test_a_range_of_ports(text: str, low: int, high: int) -> None:
    assert parse_port_range(text) == (low, high)


@pytest.mark.parametrize("text", ["", "-", "1-", "-1", "2-1", "0-65536", "1-2-3", "a", "٣"])
def test_what_is_no_range_of_ports(text: str) -> None:
    with pytest.raises(ValueError, match="port"):
        parse_port_range(text)


@given(st.text(max_size=30) | st.text("0123456789abf.:[]%-", max_size=20))
def test_any_text_is_host_and_port_or_a_value_error(text: str) -> None:
    try:
        host, port = parse_host_port(text, 80)
    except ValueError:
        return
    assert parse_host_port(format_host_port(host, port)) == (host, port)


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("Example.com", "Example.com"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("0:0:0:0:0:0:0:1", "::1"),
        ("192.0.2.1", "192.0.2.1"),
    ],
)
def test_the_one_spelling_of_a_host(text: str, host: str) -> None:
    assert parse_host(text) == host


def test_port_0_is_none_unless_it_is_asked_for() -> None:
    for parse in (parse_port, loopback_or, lambda text: parse_host_port(f"a:{text}")):
        assert parse("1")
        with pytest.raises(ValueError, match="'0' is no port: ports go from 1 to 65535"):
            parse("0")
    assert parse_port("0", 0) == loopback_or("0", least_port=0).port == 0
