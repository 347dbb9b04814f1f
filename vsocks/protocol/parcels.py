"""Messages that are no stream's: datagrams, and questions that one message can answer.

They are whole by themselves, come in any number, and may be lost: a sender that can't send one
soon drops it. Numbers of associations and questions are the guest's and used once in a session.
See docs/protocol.md.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum

from vsocks.address import Target, encode_address, parse_address


class ParcelKind(IntEnum):
    """The first byte; only for a peer that has the feature."""

    ASSOCIATE = 0x82
    ASSOCIATED = 0x83
    DATAGRAM = 0x84
    DISSOCIATE = 0x85
    ASK = 0x86
    TELL = 0x87


class Topic(IntEnum):
    """What an Ask is about; its data, and that of a Tell."""

    #: A name in ASCII; told is one address (type, address, port 0).
    ADDRESS_OF = 1
    #: An address (type, address, port 0); told is a name in ASCII.
    NAME_OF = 2
    #: A DNS query, and its answer (RFC 1035, section 4).
    DNS = 3


@dataclass(frozen=True, slots=True)
class Associate:
    """Begin an exchange of datagrams."""

    association: int


@dataclass(frozen=True, slots=True)
class Associated:
    """The answer to an Associate; with any reply but 0 there is no association."""

    association: int
    reply: int


@dataclass(frozen=True, slots=True)
class Datagram:
    """One whole datagram: to ``address`` from the guest, from it towards the guest."""

    association: int
    address: Target
    data: memoryview | bytes


@dataclass(frozen=True, slots=True)
class Dissociate:
    """The association is over."""

    association: int


@dataclass(frozen=True, slots=True)
class Ask:
    """A question that one message can answer."""

    question: int
    topic: int
    data: memoryview | bytes


@dataclass(frozen=True, slots=True)
class Tell:
    """The answer; with any reply but 0 there is none."""

    question: int
    reply: int
    data: memoryview | bytes


Parcel = Associate | Associated | Datagram | Dissociate | Ask | Tell

_NUMBER = struct.Struct("<BI")
_NUMBER_BYTE = struct.Struct("<BIB")


def encode_parcel(parcel: Parcel) -> bytes:
    """The payload of a control frame, without its check."""
    match parcel:
        case Datagram(association, address, data):
            head = _NUMBER.pack(ParcelKind.DATAGRAM, association) + encode_address(address)
            return b"".join((head, data))
        case Associate(association):
            return _NUMBER.pack(ParcelKind.ASSOCIATE, association)
        case Associated(association, reply):
            return _NUMBER_BYTE.pack(ParcelKind.ASSOCIATED, association, reply)
        case Dissociate(association):
            return _NUMBER.pack(ParcelKind.DISSOCIATE, association)
        case Ask(question, topic, data):
            return b"".join((_NUMBER_BYTE.pack(ParcelKind.ASK, question, topic), data))
        case Tell(question, reply, data):
            return b"".join((_NUMBER_BYTE.pack(ParcelKind.TELL, question, reply), data))


def decode_parcel(kind: int, payload: memoryview) -> Parcel | None:
    """The parcel in a control frame's payload, None if it is no kind of ours.

    Raises struct.error or ValueError if it is damaged.
    """
    match kind:
        case ParcelKind.DATAGRAM:
            address, end = leading_address(payload, _NUMBER.size)
            return Datagram(_NUMBER.unpack_from(payload)[1], address, payload[end:])
        case ParcelKind.ASSOCIATE:
            return Associate(_NUMBER.unpack(payload)[1])
        case ParcelKind.ASSOCIATED:
            return Associated(*_NUMBER_BYTE.unpack(payload)[1:])
        case ParcelKind.DISSOCIATE:
            return Dissociate(_NUMBER.unpack(payload)[1])
        case ParcelKind.ASK:
            _, question, topic = _NUMBER_BYTE.unpack_from(payload)
            return Ask(question, topic, payload[_NUMBER_BYTE.size :])
        case ParcelKind.TELL:
            _, question, reply = _NUMBER_BYTE.unpack_from(payload)
            return Tell(question, reply, payload[_NUMBER_BYTE.size :])
        case _:
            return None


def leading_address(payload: memoryview, offset: int) -> tuple[Target, int]:
    """The address at ``offset``, and where it ends. Raises ValueError if it is damaged."""
    parsed = parse_address(payload, offset)
    if parsed is None:
        raise ValueError("the address is cut short")
    return parsed
