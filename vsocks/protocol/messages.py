"""The control messages of a session: what they say, and their bytes. See docs/protocol.md."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from vsocks.address import Target, encode_address
from vsocks.errors import ProtocolError
from vsocks.protocol.parcels import Parcel, decode_parcel, encode_parcel, leading_address


class Kind(IntEnum):
    """The first byte of a control message; from 0x80 up a receiver skips what it doesn't know."""

    OPEN = 0x10
    OPEN_RESULT = 0x11
    CREDIT = 0x12
    END = 0x13
    CLOSE = 0x14
    ACK = 0x15
    PING = 0x16
    PONG = 0x17
    GOODBYE = 0x18
    # Only to a peer that has the feature; parcels have the kinds above.
    LISTEN = 0x80
    LISTENING = 0x81


FIRST_OPTIONAL_KIND: Final = 0x80


class CloseCode(IntEnum):
    """Why a stream was closed. Everything but ``DONE`` is a reset: data may have been lost."""

    DONE = 0
    RESET = 1
    TIMEOUT = 2
    SHUTDOWN = 3


@dataclass(frozen=True, slots=True)
class Open:
    """Connect this stream to a target."""

    stream: int
    target: Target


@dataclass(frozen=True, slots=True)
class OpenResult:
    """How the connect went. Any reply but 0 also closes the sender's side."""

    stream: int
    reply: int
    bound: Target | None


@dataclass(frozen=True, slots=True)
class Credit:
    """The sender of this will take so many more bytes of the stream."""

    stream: int
    size: int


@dataclass(frozen=True, slots=True)
class End:
    """No more data will come on the stream in this direction."""

    stream: int


@dataclass(frozen=True, slots=True)
class Close:
    """The last message of its sender about the stream; the slot is free when both have sent one."""

    stream: int
    code: int


@dataclass(frozen=True, slots=True)
class Ack:
    """So many more bytes of frames have come out of the channel."""

    size: int


@dataclass(frozen=True, slots=True)
class Ping:
    """Asks for a Pong with the same token."""

    token: int


@dataclass(frozen=True, slots=True)
class Pong:
    """The answer to a Ping."""

    token: int


@dataclass(frozen=True, slots=True)
class Goodbye:
    """The sender ends the session."""

    reason: str


@dataclass(frozen=True, slots=True)
class Listen:
    """As Open, but let ``target`` connect to the receiver of this."""

    stream: int
    target: Target


@dataclass(frozen=True, slots=True)
class Listening:
    """A Listen is being done, at this address; OpenResult follows when somebody has come."""

    stream: int
    bound: Target


Message = (
    Open
    | OpenResult
    | Credit
    | End
    | Close
    | Ack
    | Ping
    | Pong
    | Goodbye
    | Listen
    | Listening
    | Parcel
)

_STREAM = struct.Struct("<BH")
_STREAM_BYTE = struct.Struct("<BHB")
_STREAM_SIZE = struct.Struct("<BHI")
_SIZE = struct.Struct("<BI")
_TOKEN = struct.Struct("<BQ")
_MAX_REASON: Final = 200


def encode_message(message: Message) -> bytes:
    """The payload of a control frame, without its check."""
    match message:
        case Credit(stream, size):
            return _STREAM_SIZE.pack(Kind.CREDIT, stream, size)
        case Ack(size):
            return _SIZE.pack(Kind.ACK, size)
        case Open(stream, target):
            return _STREAM.pack(Kind.OPEN, stream) + encode_address(target)
        case OpenResult(stream, reply, bound):
            address = b"" if bound is None else encode_address(bound)
            return _STREAM_BYTE.pack(Kind.OPEN_RESULT, stream, reply) + address
        case End(stream):
            return _STREAM.pack(Kind.END, stream)
        case Close(stream, code):
            return _STREAM_BYTE.pack(Kind.CLOSE, stream, code)
        case Ping(token):
            return _TOKEN.pack(Kind.PING, token)
        case Pong(token):
            return _TOKEN.pack(Kind.PONG, token)
        case Goodbye(reason):
            return bytes([Kind.GOODBYE]) + reason.encode()[:_MAX_REASON]
        case Listen(stream, target):
            return _STREAM.pack(Kind.LISTEN, stream) + encode_address(target)
        case Listening(stream, bound):
            return _STREAM.pack(Kind.LISTENING, stream) + encode_address(bound)
        case _:
            return encode_parcel(message)


def decode_message(payload: memoryview) -> Message | None:
    """The message in a control frame's payload, or None for an optional one unknown here.

    Raises ProtocolError for anything that isn't exactly one message.
    """
    kind = payload[0] if payload else -1
    try:
        return _decode(kind, payload)
    except (struct.error, ValueError) as error:
        raise ProtocolError(f"bad control message of kind {kind:#04x}: {error}") from None


def _decode(kind: int, payload: memoryview) -> Message | None:
    match kind:
        case Kind.CREDIT:
            return Credit(*_STREAM_SIZE.unpack(payload)[1:])
        case Kind.ACK:
            return Ack(_SIZE.unpack(payload)[1])
        case Kind.OPEN:
            return Open(_STREAM.unpack_from(payload)[1], _address(payload, _STREAM.size))
        case Kind.OPEN_RESULT:
            _, stream, reply = _STREAM_BYTE.unpack_from(payload)
            at = _STREAM_BYTE.size
            return OpenResult(stream, reply, _address(payload, at) if len(payload) > at else None)
        case Kind.END:
            return End(_STREAM.unpack(payload)[1])
        case Kind.CLOSE:
            return Close(*_STREAM_BYTE.unpack(payload)[1:])
        case Kind.PING:
            return Ping(_TOKEN.unpack(payload)[1])
        case Kind.PONG:
            return Pong(_TOKEN.unpack(payload)[1])
        case Kind.GOODBYE:
            return Goodbye(bytes(payload[1:]).decode("utf-8", "replace"))
        case Kind.LISTEN:
            return Listen(_STREAM.unpack_from(payload)[1], _address(payload, _STREAM.size))
        case Kind.LISTENING:
            return Listening(_STREAM.unpack_from(payload)[1], _address(payload, _STREAM.size))
        case _ if kind >= FIRST_OPTIONAL_KIND:
            return decode_parcel(kind, payload)
        case _:
            raise ValueError("no such kind")


def _address(payload: memoryview, offset: int) -> Target:
    target, end = leading_address(payload, offset)
    if end != len(payload):
        raise ValueError("bytes after the address")
    return target
