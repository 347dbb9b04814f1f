"""Getting into step with whoever is at the other end of the channel, now.

Nothing that comes out of a channel at first can be trusted: it may be the rest of an old
frame, or whole frames and hellos of a daemon that was killed an hour ago. So each side makes
a nonce for the handshake, and a session stands only when a hello has come back that carries
it. The channel delivers in order, so nothing old can follow.

A receiver that was left in the middle of a frame would take a hello for the rest of that
frame. From the second attempt on a hello therefore comes behind *padding*, a frame of zeros
long enough to end whatever was begun: the frame fails its check, and the receiver looks for
a hello in what it has.

The guest begins. The host is silent until it hears something, because a peer that speaks the
original protocol only should be sent nothing else. To such a host the head of our hello
is a request for 0.0.0.0 port 0, which can't be met: its refusal shows what it is.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from enum import IntEnum, IntFlag
from typing import TYPE_CHECKING, Final

from vsocks.protocol.frames import CONTROL_ID, HEADER, MAX_LENGTH

if TYPE_CHECKING:
    from collections.abc import Callable

VERSION: Final = 1

#: An original request (address type 1, 0.0.0.0, port 0) that no host can meet.
IMPOSSIBLE_REQUEST: Final = bytes([1, 0, 0, 0, 0, 0, 0])
MAGIC: Final = IMPOSSIBLE_REQUEST + b"vsocks\r\n\0"
#: The guest sends the impossible request on this id too, for hosts that ignore ids above 63.
PROBE_ID: Final = 63
PROBE: Final = HEADER.pack(PROBE_ID, len(IMPOSSIBLE_REQUEST)) + IMPOSSIBLE_REQUEST

_BODY: Final = struct.Struct("<BBHQQIHH")
_CRC: Final = struct.Struct("<I")
_HELLO_LENGTH: Final = len(MAGIC) + _BODY.size + _CRC.size
HELLO_SIZE: Final = HEADER.size + _HELLO_LENGTH

#: Seconds between the attempts of a side that has had no answer.
FIRST_RETRY: Final = 0.25
LAST_RETRY: Final = 0.5
#: How often the host says hello for one sign of life from a guest.
_HOST_ATTEMPTS: Final = 3


class Role(IntEnum):
    """Which side of the channel a daemon is on."""

    GUEST = 0
    HOST = 1


class Feature(IntFlag):
    """What a side can do beyond streams that the guest opens."""

    DATAGRAMS = 1
    #: ASK is answered.
    QUESTIONS = 2
    #: LISTEN is answered, be it by a refusal.
    LISTENING = 4
    #: The guest takes streams that the host opens.
    HOST_STREAMS = 8


ALL_FEATURES: Final = (
    Feature.DATAGRAMS | Feature.QUESTIONS | Feature.LISTENING | Feature.HOST_STREAMS
)


@dataclass(frozen=True, slots=True)
class Offer:
    """What a side promises in its hello."""

    #: Streams that it can hold at once.
    max_streams: int = 64
    #: Bytes of each stream that it will take before it gives more credit.
    window: int = 512 * 1024
    #: The longest frame that it will take, in bytes of ``length``.
    max_frame: int = MAX_LENGTH
    features: Feature = ALL_FEATURES


@dataclass(frozen=True, slots=True)
class Hello:
    """One message of the handshake."""

    role: Role
    nonce: int
    #: The nonce of the peer that this answers, 0 if none is known.
    echo: int
    offer: Offer
    version: int = VERSION

    def encode(self) -> bytes:
        """The hello as a whole frame."""
        offer = self.offer
        body = MAGIC + _BODY.pack(
            self.version,
            self.role,
            offer.max_streams,
            self.nonce,
            self.echo,
            offer.window,
            offer.max_frame,
            offer.features,
        )
        return HEADER.pack(CONTROL_ID, _HELLO_LENGTH) + body + _CRC.pack(zlib.crc32(body))


def decode_hello(payload: memoryview) -> Hello | None:
    """The hello in the payload of a control frame, None if it isn't one (or is damaged).

    A later version may lengthen the body: what follows the known fields is left unread.
    """
    if len(payload) < _HELLO_LENGTH or payload[: len(MAGIC)] != MAGIC:
        return None
    body, crc = payload[: -_CRC.size], payload[-_CRC.size :]
    if zlib.crc32(body) != _CRC.unpack(crc)[0]:
        return None
    fields = _BODY.unpack_from(body, len(MAGIC))
    version, role, streams, nonce, echo, window, max_frame, features = fields
    if version < 1 or role > Role.HOST or not nonce or not streams:
        return None
    if window < MIN_WINDOW or max_frame < MIN_MAX_FRAME:
        return None
    offer = Offer(streams, window, max_frame, Feature(features) & ALL_FEATURES)
    return Hello(Role(role), nonce, echo, offer, version)


#: The least that a hello may promise; anything lower could not carry our own messages.
MIN_WINDOW: Final = 1024
MIN_MAX_FRAME: Final = 512


def find_hello(
    data: bytes | bytearray, start: int = 0, end: int | None = None
) -> tuple[Hello | None, int]:
    """Search a run of bytes, of which anything but hellos is to be skipped, for the next one.

    Returns it with the offset of its end; or None with the offset of what is still to be looked
    at, so that a hello which has begun to arrive is kept. One call looks at one thing that seems to
    be a hello at most: go on until the offset stays where it is.
    """
    if end is None:
        end = len(data)
    at = data.find(MAGIC, start + HEADER.size, end)
    if at < 0:
        return None, max(start, end - (HEADER.size + len(MAGIC) - 1))
    frame = at - HEADER.size
    channel_id, length = HEADER.unpack_from(data, frame)
    if channel_id == CONTROL_ID and _HELLO_LENGTH <= length <= 4 * _HELLO_LENGTH:
        if at + length > end:
            return None, frame
        hello = decode_hello(memoryview(data)[at : at + length])
        if hello is not None:
            return hello, at + length
    return None, frame + 1


class Handshake:
    """One side's attempt to get a session; a new object, with a new nonce, for each attempt."""

    def __init__(
        self,
        role: Role,
        offer: Offer,
        entropy: Callable[[int], bytes],
        *,
        now: float,
        eager: bool,
        probe: bool,
        pause: float = 0.0,
    ) -> None:
        """``eager`` speaks first; ``probe`` looks for a host that knows the original wire only.

        For ``pause`` seconds nothing is said, so that no session can begin.
        """
        self.role = role
        self.offer = offer
        self.nonce = int.from_bytes(entropy(8), "little") or 1
        self.peer: Hello | None = None
        self._probe = probe
        self._attempts = 0
        self._attempts_left = _HOST_ATTEMPTS if eager else 0
        self._not_before = now + pause
        self._next_attempt = self._not_before
        self._answer_due = False
        #: The peer's nonce in the last hello that we sent.
        self._answered = 0

    @property
    def next_poll(self) -> float | None:
        """When output may be due, None while there is nothing to wait for."""
        if self._answer_due:
            return self._not_before
        return self._next_attempt if self._attempts_left or self.role is Role.GUEST else None

    def heard_noise(self) -> None:
        """Bytes came that are no hello: somebody is there who thinks that a session stands."""
        self._attempts_left = _HOST_ATTEMPTS

    def receive_hello(self, hello: Hello) -> bool:
        """Take a hello from the other role; True if it proves that the peer is there now."""
        self.peer = hello
        proven = hello.echo == self.nonce
        self._answer_due = not proven or self._answered != hello.nonce
        return proven

    def answer(self) -> None:
        """Repeat our hello: the peer has not had it."""
        self._answer_due = True

    def output(self, now: float) -> bytes:
        """What to put into the channel now, if anything."""
        if now < self._not_before:
            return b""
        if self._answer_due:
            self._schedule(now)
            return self.answer_due()
        due = self.next_poll
        if due is None or now < due:
            return b""
        padding = self._padding() if self._attempts else b""
        self._attempts += 1
        self._attempts_left = max(0, self._attempts_left - 1)
        self._schedule(now)
        return padding + self._hello() + (PROBE if self._probe and not self.peer else b"")

    def answer_due(self) -> bytes:
        """The hello that answers the peer's, if that is still to be sent."""
        if not self._answer_due:
            return b""
        self._answer_due = False
        return self._hello()

    def _hello(self) -> bytes:
        self._answered = self.peer.nonce if self.peer else 0
        return Hello(self.role, self.nonce, self._answered, self.offer).encode()

    def _schedule(self, now: float) -> None:
        self._next_attempt = now + (FIRST_RETRY if self._attempts <= 1 else LAST_RETRY)

    def _padding(self) -> bytes:
        # No frame of ours is longer than either side's offer.
        length = self.offer.max_frame
        if self.peer is not None:
            length = min(length, self.peer.offer.max_frame)
        return HEADER.pack(CONTROL_ID, length) + bytes(length)
