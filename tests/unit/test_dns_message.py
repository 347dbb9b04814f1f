"""DNS messages: what is read, made and cut, held against dnspython's reading and writing."""

from __future__ import annotations

import struct
from ipaddress import ip_address

import dns.edns
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdatatype
import dns.rrset
import dns.tsigkeyring
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vsocks.address import pointed_at
from vsocks.dns_message import (
    MAX_QUERY,
    MAX_UDP_SIZE,
    Query,
    Rcode,
    error_answer,
    fitted,
    id_of,
    is_answer_to,
    is_truncated,
    rcode_of,
    read_query,
    with_id,
)

pytestmark = pytest.mark.unit

LABELS = st.binary(min_size=1, max_size=63)
HOST_LABELS = st.from_regex(r"[A-Za-z0-9_-]{1,20}", fullmatch=True)


def query(name: str = "www.example.com", kind: str = "A", **options: object) -> bytes:
    return bytes(dns.message.make_query(name, kind, **options).to_wire())  # type: ignore[arg-type]


def answer_to(asked: bytes, *records: str, rcode: int = 0) -> bytes:
    """An answer as a nameserver gives it; records like ``60 IN A 192.0.2.1``."""
    message = dns.message.make_response(dns.message.from_wire(asked), recursion_available=True)
    message.set_rcode(dns.rcode.Rcode.make(rcode))
    for record in records:
        ttl, klass, kind, data = record.split(maxsplit=3)
        name = message.question[0].name
        message.answer.append(dns.rrset.from_text(name, int(ttl), klass, kind, data))
    return bytes(message.to_wire(max_size=65535))


def long_answer_to(asked: bytes, size: int) -> bytes:
    """An answer of more than ``size`` bytes."""
    return answer_to(asked, *(f'60 IN TXT "{"x" * 200}{number}"' for number in range(size // 200)))


# --- reading queries ---


@given(st.lists(HOST_LABELS, min_size=1, max_size=8), st.sampled_from(["A", "MX", "HTTPS", "PTR"]))
def test_the_question_is_read(labels: list[str], kind: str) -> None:
    read = read_query(query(".".join(labels) + ".", kind))
    assert isinstance(read, Query)
    assert read.name == ".".join(labels)
    assert (read.record_type, read.record_class) == (dns.rdatatype.from_text(kind), 1)


def test_the_root_is_a_name() -> None:
    read = read_query(query(".", "NS"))
    assert isinstance(read, Query)
    assert read.name == "."


@given(st.lists(LABELS, min_size=1, max_size=3))
def test_a_dot_in_a_label_is_no_dot_of_the_name(labels: list[bytes]) -> None:
    """Else one label could pass for a subdomain that a rule allows."""
    name = dns.name.Name([*labels, b""])
    read = read_query(query(name))  # type: ignore[arg-type]
    assert isinstance(read, Query)
    assert read.name.count(".") == len(labels) - 1
    assert read.name.isascii()
    assert read.name.isprintable()
    assert " " not in read.name
    assert dns.name.from_text(read.name) == name


def test_an_escaped_dot_matches_no_suffix() -> None:
    name = dns.name.Name([b"evil.example", b"com", b""])
    read = read_query(query(name))  # type: ignore[arg-type]
    assert isinstance(read, Query)
    assert read.name == r"evil\046example.com"


@pytest.mark.parametrize(
    ("payload", "size"),
    [(None, 512), (0, 512), (511, 512), (512, 512), (700, 700), (1232, 1232), (4096, 1232)],
)
def test_the_size_that_the_client_takes_by_udp(payload: int | None, size: int) -> None:
    asked = query() if payload is None else query(use_edns=0, payload=payload)
    read = read_query(asked)
    assert isinstance(read, Query)
    assert read.udp_size == size


def test_edns_options_and_a_signature_are_passed_on() -> None:
    message = dns.message.make_query("example.com", "A", use_edns=0, payload=1400, want_dnssec=True)
    message.use_edns(
        0, 0, 1400, options=[dns.edns.GenericOption(dns.edns.OptionType.COOKIE, b"cookie!!")]
    )
    message.use_tsig(dns.tsigkeyring.from_text({"key.example": "c2VjcmV0"}))
    read = read_query(message.to_wire())
    assert isinstance(read, Query)
    assert read.udp_size == MAX_UDP_SIZE


@given(st.binary(max_size=11))
def test_what_has_no_header_gets_no_answer(data: bytes) -> None:
    assert read_query(data) is None
    assert error_answer(data, Rcode.FORMERR) == b""


def test_an_answer_gets_no_answer() -> None:
    """Else two servers could talk to each other for ever."""
    answer = answer_to(query())
    assert read_query(answer) is None
    assert error_answer(answer, Rcode.FORMERR) == b""


def header(flags: int = 0x0100, counts: tuple[int, int, int, int] = (1, 0, 0, 0)) -> bytes:
    return struct.pack(">6H", 0x1234, flags, *counts)


QUESTION = b"\x07example\x03com\x00\x00\x01\x00\x01"
OPT = b"\x00\x00\x29\x04\xd0\x00\x00\x00\x00\x00\x00"
MALFORMED = {
    "no question": header(counts=(0, 0, 0, 0)),
    "a question announced": header(),
    "half a question": header() + QUESTION[:-1],
    "two questions": header(counts=(2, 0, 0, 0)) + QUESTION * 2,
    "a name without its end": header() + b"\x07example\x00\x01\x00\x01",
    "a compressed name": header() + b"\xc0\x0c\x00\x01\x00\x01",
    "a label type of old": header() + b"\x40\x00\x00\x01\x00\x01",
    "a name of 256 bytes": header() + (b"\x3f" + b"a" * 63) * 4 + QUESTION[-5:],
    "an answer in a query": header(counts=(1, 1, 0, 0)) + QUESTION + b"\xc0\x0c" + OPT[1:],
    "bytes behind it": header() + QUESTION + b"x",
    "bytes behind its records": header(counts=(1, 0, 0, 1)) + QUESTION + OPT + b"x",
    "a record announced": header(counts=(1, 0, 0, 1)) + QUESTION,
    "a record cut off": header(counts=(1, 0, 0, 1)) + QUESTION + OPT[:-1],
    "a record's data cut off": header(counts=(1, 0, 0, 1)) + QUESTION + OPT[:-1] + b"\x05data",
    "a record's name cut off": header(counts=(1, 0, 0, 1)) + QUESTION + b"\x05data",
    "a record's name of old": header(counts=(1, 0, 0, 1)) + QUESTION + b"\x80" + OPT[1:],
    "two OPT records": header(counts=(1, 0, 0, 2)) + QUESTION + OPT * 2,
    "65535 records": header(counts=(1, 0, 0, 65535)) + QUESTION + OPT * 9,
    "too long": header(counts=(1, 0, 0, 1)) + QUESTION + OPT[:-2] + b"\x0f\xff" + bytes(0xFFF),
}


@pytest.mark.parametrize("data", MALFORMED.values(), ids=MALFORMED.keys())
def test_what_is_malformed_is_told_so(data: bytes) -> None:
    assert read_query(data) == Rcode.FORMERR
    answer = dns.message.from_wire(error_answer(data, Rcode.FORMERR))
    assert answer.id == 0x1234
    assert answer.rcode() == dns.rcode.FORMERR


def test_the_longest_name_is_read() -> None:
    name = (b"\x3f" + b"a" * 63) * 3 + b"\x3d" + b"b" * 61 + b"\x00"
    assert len(name) == 255
    assert isinstance(read_query(header() + name + b"\x00\x01\x00\x01"), Query)
    longer = (b"\x3f" + b"a" * 63) * 3 + b"\x3e" + b"b" * 62 + b"\x00"
    assert read_query(header() + longer + b"\x00\x01\x00\x01") == Rcode.FORMERR


def test_the_longest_query_is_read() -> None:
    size = MAX_QUERY - len(header() + QUESTION + OPT)
    data = header(counts=(1, 0, 0, 1)) + QUESTION + OPT[:-2] + size.to_bytes(2, "big") + bytes(size)
    assert len(data) == MAX_QUERY
    assert isinstance(read_query(data), Query)


@pytest.mark.parametrize("opcode", [1, 2, 4, 5, 6, 15])
def test_nothing_but_queries_is_implemented(opcode: int) -> None:
    data = header(0x0100 | opcode << 11) + QUESTION
    assert read_query(data) == Rcode.NOTIMP
    answer = error_answer(data, Rcode.NOTIMP)
    assert answer[2] >> 3 & 15 == opcode
    assert rcode_of(answer) == Rcode.NOTIMP


@pytest.mark.parametrize("kind", ["AXFR", "IXFR"])
def test_a_zone_is_not_transferred(kind: str) -> None:
    """Its answer is many messages, and more than a guest should ask for."""
    assert read_query(query("example.com", kind)) == Rcode.NOTIMP


# --- answers of our own ---


@given(st.lists(LABELS, max_size=3), st.sampled_from([1, 2, 4, 5]), st.booleans(), st.booleans())
def test_an_error_answers_the_query(
    labels: list[bytes], rcode: int, edns: bool, dnssec: bool
) -> None:
    options = {"use_edns": 0, "payload": 4096, "want_dnssec": dnssec} if edns else {}
    asked = query(dns.name.Name([*labels, b""]), **options)  # type: ignore[arg-type]
    answer = error_answer(asked, Rcode(rcode))
    assert is_answer_to(answer, asked)
    assert rcode_of(answer) == rcode
    assert len(answer) <= 512
    theirs, read = dns.message.from_wire(asked), dns.message.from_wire(answer)
    assert theirs.is_response(read)
    assert read.flags == dns.flags.QR | dns.flags.RD | dns.flags.RA | rcode
    assert read.edns == theirs.edns
    assert read.ednsflags == (dns.flags.DO if edns and dnssec else 0)
    assert not read.answer


def test_the_flags_that_a_client_set_come_back() -> None:
    asked = header(dns.flags.CD) + QUESTION
    assert dns.message.from_wire(error_answer(asked, Rcode.SERVFAIL)).flags == (
        dns.flags.QR | dns.flags.RA | dns.flags.CD | Rcode.SERVFAIL
    )


# --- answers of others ---


def test_an_answer_belongs_to_its_query() -> None:
    asked = query()
    assert is_answer_to(answer_to(asked, "60 IN A 192.0.2.1"), asked)
    assert is_answer_to(answer_to(asked, rcode=3), asked)


def test_names_are_compared_without_regard_to_case_and_types_with() -> None:
    asked, other_case = query("WWW.Example.com"), query("www.example.COM")
    assert is_answer_to(with_id(answer_to(other_case), id_of(asked)), asked)
    # 65 and 97 are "A" and "a".
    https, type_97 = query(kind="TYPE65"), query(kind="TYPE97")
    assert not is_answer_to(with_id(answer_to(type_97), id_of(https)), https)


def test_what_answers_another_query_is_seen() -> None:
    asked = query()
    answer = answer_to(asked, "60 IN A 192.0.2.1")
    wrong = {
        "id": with_id(answer, id_of(answer) ^ 1),
        "name": with_id(answer_to(query("www.example.org")), id_of(asked)),
        "type": with_id(answer_to(query(kind="AAAA")), id_of(asked)),
        "class": with_id(answer_to(query(rdclass="CH")), id_of(asked)),
        "a query": asked,
        "an opcode": answer[:2] + bytes((answer[2] | 0x28,)) + answer[3:],
        "no question": struct.pack(">6H", id_of(asked), 0x8180, 0, 0, 0, 0),
        "no such name, but no question": struct.pack(">6H", id_of(asked), 0x8183, 0, 0, 0, 0),
        "no question, but an answer": struct.pack(">6H", id_of(asked), 0x8182, 0, 1, 0, 0),
        "two questions": answer[:4] + b"\x00\x02" + answer[6:],
        "half a header": answer[:11],
        "a header": answer[:12],
        "nothing": b"",
        "too long": answer + bytes(65536),
    }
    assert [what for what, data in wrong.items() if is_answer_to(data, asked)] == []
    assert is_answer_to(answer, b"") is False
    assert is_answer_to(answer + bytes(65535 - len(answer)), asked)
    assert not is_answer_to(answer + bytes(65536 - len(answer)), asked)


def test_a_failure_may_leave_the_question_out() -> None:
    asked = query()
    for rcode in (1, 2, 4, 5):
        bare = struct.pack(">6H", id_of(asked), 0x8180 | rcode, 0, 0, 0, 0)
        assert is_answer_to(bare, asked)


@given(st.binary(max_size=40), st.integers(0, 0xFFFF))
def test_the_id_is_changed_and_nothing_else(data: bytes, number: int) -> None:
    changed = with_id(data, number)
    assert id_of(changed) == number
    assert changed[2:] == data[2:]


def test_bytes_without_an_id_have_one_of_no_meaning() -> None:
    assert id_of(b"") == id_of(b"\x01") == 0
    assert rcode_of(b"\x00\x00\xff\xff") == 0
    assert not is_truncated(b"\x00\x00\xff\xff")


# --- cutting ---


def test_an_answer_that_fits_stays_as_it_is() -> None:
    answer = answer_to(query(), "60 IN A 192.0.2.1")
    assert fitted(answer, len(answer)) is answer
    assert fitted(answer, len(answer) - 1) != answer
    assert fitted(answer, 512) is answer
    assert not is_truncated(answer)


@pytest.mark.parametrize("size", [512, 700, 1232])
@pytest.mark.parametrize("edns", [False, True])
def test_an_answer_that_is_too_long_is_cut_off(size: int, edns: bool) -> None:
    asked = query(kind="TXT", use_edns=0, payload=4096) if edns else query(kind="TXT")
    cut = fitted(long_answer_to(asked, 3000), size)
    assert len(cut) <= size
    assert is_truncated(cut)
    assert is_answer_to(cut, asked)
    read = dns.message.from_wire(cut)
    assert read.flags & dns.flags.TC
    assert not read.answer
    assert read.edns == (0 if edns else -1)


def test_an_option_that_does_not_fit_is_left_out() -> None:
    message = dns.message.from_wire(long_answer_to(query(kind="TXT", use_edns=0), 1000))
    message.use_edns(
        0, 0, 1232, options=[dns.edns.GenericOption(dns.edns.OptionType.COOKIE, bytes(600))]
    )
    read = dns.message.from_wire(fitted(message.to_wire(max_size=65535), 512))
    assert (read.edns, len(read.question)) == (-1, 1)


def test_an_option_that_just_fits_stays() -> None:
    long = long_answer_to(query(kind="TXT", use_edns=0), 1000)
    cut = fitted(long, 512)
    assert dns.message.from_wire(cut).edns == 0
    assert fitted(long, len(cut)) == cut
    assert dns.message.from_wire(fitted(long, len(cut) - 1)).edns == -1


def test_what_is_malformed_is_cut_off_to_its_header() -> None:
    cut = fitted(header(0x8180) + b"\xff" * 600, 512)
    assert cut == header(0x8380, (0, 0, 0, 0))


@given(st.binary(min_size=513, max_size=2000), st.integers(512, 1232))
def test_anything_can_be_cut_off(data: bytes, size: int) -> None:
    assert len(fitted(data, size)) <= size


# --- names of addresses ---


@given(st.ip_addresses())
def test_the_address_that_a_name_stands_for(address: object) -> None:
    ip = ip_address(str(address))
    assert pointed_at(ip.reverse_pointer) == ip
    assert pointed_at(ip.reverse_pointer.upper()) == ip


@pytest.mark.parametrize(
    "name",
    [
        *("", ".", "arpa", "in-addr.arpa", "10.in-addr.arpa", "example.com"),
        *("1.0.0.10.in-addr", "1.0.0.10.example.arpa", "1.0.0.10", "5.1.0.0.10.in-addr.arpa"),
        *("256.0.0.10.in-addr.arpa", "a.0.0.10.in-addr.arpa", "01.0.0.10.in-addr.arpa"),
        *("1.in-addr.0.0.10.arpa", "...in-addr.arpa", r"1\0460.0.10.in-addr.arpa"),
        *("1." * 31 + "ip6.arpa", "1." * 33 + "ip6.arpa", "g." * 32 + "ip6.arpa"),
        "11." + "1." * 29 + "." + "1.ip6.arpa",
    ],
)
def test_a_name_that_stands_for_no_address(name: str) -> None:
    assert pointed_at(name) is None


# --- anything ---


@given(st.binary(max_size=300) | st.binary(max_size=60).map(lambda tail: header() + tail))
def test_no_bytes_raise(data: bytes) -> None:
    read = read_query(data)
    for other in (data, error_answer(data, Rcode.SERVFAIL)):
        is_answer_to(other, data)
        is_truncated(other)
    if isinstance(read, Query):
        assert is_answer_to(error_answer(data, Rcode.REFUSED), data)
        pointed_at(read.name)
