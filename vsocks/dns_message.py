"""DNS messages (RFC 1035, section 4), as far as a forwarder must know them.

    header    id, flags, four counts: 2 bytes each, big-endian
    question  name, type, class
    records   answers, authorities, additionals; one of the last may be OPT (EDNS, RFC 6891)

Nothing here raises, whatever the bytes, or takes more than linear time.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    pass

#: Bytes of the longest query that is passed on: a name is 255 at most, EDNS adds some options.
MAX_QUERY: Final = 4096
#: Bytes of the longest message that TCP can carry.
MAX_MESSAGE: Final = 0xFFFF
#: Bytes that every client takes by UDP (RFC 1035, section 4.2.1; RFC 6891, section 6.2.3) ...
MIN_UDP_SIZE: Final = 512
#: ... and that none is sent more of, whatever it says it could take: what fits everywhere without
#: being fragmented (DNS flag day 2020). What is longer goes by TCP (RFC 7766, section 5).
MAX_UDP_SIZE: Final = 1232

_HEADER: Final = struct.Struct(">6H")
_RESPONSE, _OPCODE, _TRUNCATED = 0x8000, 0x7800, 0x0200
_RECURSION_DESIRED, _RECURSION_AVAILABLE, _CHECKING_DISABLED = 0x0100, 0x0080, 0x0010
_RCODE: Final = 0x000F

_OPT: Final = 41
_DNSSEC_OK: Final = 0x8000
#: Zone transfers, IXFR and AXFR: their answers are many messages.
_TRANSFERS: Final = frozenset({251, 252})

_MAX_NAME: Final = 255
_MAX_LABEL: Final = 63
_POINTER: Final = 0xC0
_PLAIN: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


class Rcode(IntEnum):
    """How answering went (RFC 1035, section 4.1.1)."""

    NOERROR = 0
    FORMERR = 1
    SERVFAIL = 2
    NXDOMAIN = 3
    NOTIMP = 4
    REFUSED = 5


@dataclass(frozen=True, slots=True)
class Query:
    """A query that can be passed on."""

    #: What it asks about: without the dot at the end ("." for the root), and what is neither
    #: letter, digit, "-" nor "_" as ``\\DDD``. So each dot is one between two labels.
    name: str
    record_type: int
    record_class: int
    #: Bytes of the longest answer that its sender is to be sent by UDP.
    udp_size: int


@dataclass(frozen=True, slots=True)
class _Question:
    name: str
    record_type: int
    record_class: int
    end: int


@dataclass(frozen=True, slots=True)
class _Record:
    start: int
    end: int
    record_type: int
    #: Of an OPT record: the size that its sender takes, and its flags.
    record_class: int
    ttl: int


def read_query(data: bytes) -> Query | Rcode | None:
    """The query; or the Rcode to answer with, by ``error_answer``; or None: don't answer.

    An answer, or a message too short to have a header, gets no answer: two servers might keep
    answering each other forever.
    """
    if len(data) < _HEADER.size:
        return None
    _, flags, questions, answers, authorities, additionals = _HEADER.unpack_from(data)
    if flags & _RESPONSE:
        return None
    if flags & _OPCODE:
        return Rcode.NOTIMP
    question = _read_question(data)
    if question is None or questions != 1 or answers or authorities or len(data) > MAX_QUERY:
        return Rcode.FORMERR
    records = _read_records(data, question.end, additionals)
    if records is None or (records[-1].end if records else question.end) != len(data):
        return Rcode.FORMERR
    options = [record for record in records if record.record_type == _OPT]
    if len(options) > 1:
        return Rcode.FORMERR
    if question.record_type in _TRANSFERS:
        return Rcode.NOTIMP
    takes = options[0].record_class if options else MIN_UDP_SIZE
    udp_size = min(max(takes, MIN_UDP_SIZE), MAX_UDP_SIZE)
    return Query(question.name, question.record_type, question.record_class, udp_size)


def error_answer(query: bytes, rcode: Rcode) -> bytes:
    """The answer that says no more than ``rcode``; empty if ``query`` can't be answered.

    With an OPT record if the query has one (RFC 6891, section 6.1.1).
    """
    if len(query) < _HEADER.size:
        return b""
    number, flags, *_ = _HEADER.unpack_from(query)
    if flags & _RESPONSE:
        return b""
    kept = flags & (_OPCODE | _RECURSION_DESIRED | _CHECKING_DISABLED)
    flags = _RESPONSE | kept | _RECURSION_AVAILABLE | rcode
    question = _read_question(query)
    if question is None:
        return _HEADER.pack(number, flags, 0, 0, 0, 0)
    option = _find_option(query)
    tail = b""
    if option is not None:
        tail = struct.pack(">BHHIH", 0, _OPT, MAX_UDP_SIZE, option.ttl & _DNSSEC_OK, 0)
    header = _HEADER.pack(number, flags, 1, 0, 0, 1 if tail else 0)
    return header + query[_HEADER.size : question.end] + tail


def is_answer_to(answer: bytes, query: bytes) -> bool:
    """Whether ``answer`` answers ``query``: the same id and the same question.

    Some servers leave out the question when they only report a failure.
    """
    if not _HEADER.size <= len(answer) <= MAX_MESSAGE or len(query) < _HEADER.size:
        return False
    flags, *counts = _HEADER.unpack_from(answer)[1:]
    if answer[:2] != query[:2] or not flags & _RESPONSE or flags & _OPCODE:
        return False
    if not any(counts):
        return rcode_of(answer) not in (Rcode.NOERROR, Rcode.NXDOMAIN)
    return counts[0] == 1 and _asked(answer) == _asked(query) is not None


def with_id(message: bytes, number: int) -> bytes:
    """The same message with another id."""
    return number.to_bytes(2, "big") + message[2:]


def id_of(message: bytes) -> int:
    """The id; 0 if the message is too short to have one."""
    return int.from_bytes(message[:2], "big") if len(message) >= 2 else 0


def rcode_of(answer: bytes) -> int:
    """The Rcode, or a number without a name here; 0 if there is no header."""
    return answer[3] & _RCODE if len(answer) >= _HEADER.size else 0


def is_truncated(answer: bytes) -> bool:
    """Whether the answer was cut off, and is to be asked for by TCP."""
    return len(answer) >= _HEADER.size and bool(answer[2] & (_TRUNCATED >> 8))


def fitted(answer: bytes, size: int) -> bytes:
    """The answer, if it has at most ``size`` bytes (512 at least); else a truncated one.

    That has only the question and the OPT record, which must stay (RFC 6891, section 7): a
    client may not use part of an answer (RFC 2181, section 9).
    """
    if len(answer) <= size:
        return answer
    number, flags, *_ = _HEADER.unpack_from(answer)
    question = _read_question(answer)
    if question is None:
        return _HEADER.pack(number, flags | _TRUNCATED, 0, 0, 0, 0)
    asked = answer[_HEADER.size : question.end]
    option = _find_option(answer)
    tail = b"" if option is None else answer[option.start : option.end]
    if _HEADER.size + len(asked) + len(tail) > size:
        tail = b""
    return _HEADER.pack(number, flags | _TRUNCATED, 1, 0, 0, 1 if tail else 0) + asked + tail


def _asked(message: bytes) -> tuple[str, int, int] | None:
    """The question in a form to compare: names have no case."""
    question = _read_question(message)
    if question is None:
        return None
    return question.name.lower(), question.record_type, question.record_class


def _read_question(data: bytes) -> _Question | None:
    """The first question; its name can't be compressed, for there is nothing before it."""
    labels = []
    at = _HEADER.size
    while at < len(data) and (size := data[at]):
        if size > _MAX_LABEL:
            return None
        labels.append(_label_text(data[at + 1 : at + 1 + size]))
        at += 1 + size
        if at - _HEADER.size >= _MAX_NAME:
            return None
    if at + 5 > len(data) or data[4:6] == b"\0\0":
        return None
    record_type, record_class = struct.unpack_from(">HH", data, at + 1)
    return _Question(".".join(labels) or ".", record_type, record_class, at + 5)


def _label_text(label: bytes) -> str:
    return "".join(chr(byte) if byte in _PLAIN else f"\\{byte:03d}" for byte in label)


def _find_option(message: bytes) -> _Record | None:
    """The OPT record, if the message has one and is well-formed."""
    question = _read_question(message)
    _, _, questions, *counts = _HEADER.unpack_from(message)
    if question is None or questions != 1:
        return None
    records = _read_records(message, question.end, sum(counts)) or []
    additional = records[len(records) - counts[-1] :]
    return next((record for record in additional if record.record_type == _OPT), None)


def _read_records(data: bytes, at: int, count: int) -> list[_Record] | None:
    """The ``count`` records from ``at``; None if they aren't all there."""
    records = []
    for _ in range(count):
        fields = _skip_name(data, at)
        if fields + 10 > len(data):
            return None
        record_type, record_class, ttl, size = struct.unpack_from(">HHIH", data, fields)
        end = fields + 10 + size
        if end > len(data):
            return None
        records.append(_Record(at, end, record_type, record_class, ttl))
        at = end
    return records


def _skip_name(data: bytes, at: int) -> int:
    """The offset behind the name at ``at``; beyond the end of ``data`` if it is none."""
    while at < len(data):
        size = data[at]
        if size >= _POINTER:
            return at + 2
        if size > _MAX_LABEL:
            break
        at += 1 + size
        if not size:
            return at
    return len(data) + 1
