"""Any DNS message, as a client's query and as a nameserver's answer to one."""

from __future__ import annotations

from tests.fuzz.feed import Feed
from vsocks.address import pointed_at
from vsocks.dns_message import (
    MAX_UDP_SIZE,
    MIN_UDP_SIZE,
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
from vsocks.policy.policy import Policy

QUERY = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x07example\x03com\x00\x00\x01\x00\x01"


def run(data: bytes) -> None:
    feed = Feed(data)
    size = MIN_UDP_SIZE + feed.number(1)
    message = feed.take(len(data))
    as_query(message)
    as_answer(message, size)


def as_query(message: bytes) -> None:
    """It is passed on, refused, or not answered at all."""
    read = read_query(message)
    refusal = error_answer(message, Rcode.SERVFAIL)
    if read is None:
        return
    assert refusal
    assert id_of(refusal) == id_of(message)
    assert rcode_of(refusal) == Rcode.SERVFAIL
    assert len(refusal) <= MIN_UDP_SIZE
    assert read_query(refusal) is None, "two servers would answer each other for ever"
    if isinstance(read, Query):
        assert is_answer_to(refusal, message)
        assert not is_answer_to(with_id(refusal, id_of(message) ^ 1), message)
        assert read.name.isascii()
        assert read.name.isprintable()
        assert MIN_UDP_SIZE <= read.udp_size <= MAX_UDP_SIZE
        assert Policy().denies_look_up(read.name) is None or pointed_at(read.name)


def as_answer(message: bytes, size: int) -> None:
    """Cut off, it still belongs to the query that it belonged to."""
    query = with_id(QUERY, id_of(message))
    cut = fitted(message, size)
    assert len(cut) <= size
    assert cut == message or is_truncated(cut)
    if is_answer_to(message, query) and message[4:6] != b"\0\0":
        assert is_answer_to(cut, query)


OPT = b"\x00\x00\x29\x04\xd0\x00\x00\x80\x00\x00\x00"
SEEDS = [
    b"\x00" + QUERY,
    b"\x80" + QUERY[:10] + b"\x00\x01" + QUERY[12:] + OPT,
    b"\x00" + QUERY[:12] + b"\x011\x010\x010\x0210\x07in-addr\x04arpa\x00\x00\x0c\x00\x01",
    b"\x00" + QUERY[:12] + b"\xc0\x0c\x00\x01\x00\x01",
    b"\x00\x12\x34\x81\x80\x00\x01\x00\x01\x00\x00\x00\x01"
    + QUERY[12:]
    + b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\xc0\x00\x02\x01"
    + OPT,
    b"\x00\x12\x34\x81\x82\x00\x00\x00\x00\x00\x00\x00\x00",
    b"\x00\x12\x34\x29\x00\x00\x01\x00\x00\x00\x00\x00\x00" + QUERY[12:],
]
