"""A session under test, and a peer of it whose every byte the test decides."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from enum import Enum

from vsocks.address import Target
from vsocks.protocol.events import Data, Opened, ParcelCame, SessionEvent
from vsocks.protocol.frames import CHECK, CONTROL_ID, HEADER, epoch_of
from vsocks.protocol.handshake import Offer, Role
from vsocks.protocol.messages import (
    Ack,
    Message,
    Open,
    OpenResult,
    Ping,
    decode_message,
    encode_message,
)
from vsocks.protocol.parcels import Ask, Datagram, Tell
from vsocks.protocol.session import Session
from vsocks.protocol.streams import Stream

OURS, THEIRS = 1111, 2222
WINDOW = 4096
STREAMS = 3
TARGET = Target("example.com", 80)

#: A message as the peer hears it: control messages decoded, data as (stream, bytes).
Heard = Message | tuple[int, bytes] | None


class Peer:
    """Speaks to the session of ``role``; checks are right, whatever it is that they check."""

    def __init__(
        self,
        role: Role,
        offer: Offer = Offer(max_streams=STREAMS, window=WINDOW),  # noqa: B008
        peer_offer: Offer = Offer(max_streams=8, window=WINDOW),  # noqa: B008
    ) -> None:
        self.now = 0.0
        self.session = Session(
            role, nonces=(OURS, THEIRS), offer=offer, peer_offer=peer_offer, now=self.now
        )
        #: Bytes of frames made so far.
        self.sent = 0
        self._sequence = 0
        self._heard = 0

    # -- to the session --------------------------------------------------------------------

    def frame(self, frame_id: int, payload: bytes) -> bytes:
        """The next frame of this peer. It counts as sent."""
        check = CHECK.pack(epoch_of(THEIRS, OURS), self._sequence)
        self._sequence += 1
        frame = HEADER.pack(frame_id, len(payload) + CHECK.size) + payload + check
        self.sent += len(frame)
        return frame

    def deliver(self, data: bytes) -> list[SessionEvent]:
        """What the session makes of some bytes, all of which it must take."""
        events = [kept(event) for event in self.session.receive(memoryview(data), self.now)]
        assert self.session.taken == len(data)
        return events

    def say(self, *messages: Message) -> list[SessionEvent]:
        """Send control messages."""
        return self.deliver(
            b"".join(self.frame(CONTROL_ID, encode_message(message)) for message in messages)
        )

    def data(self, stream: int, payload: bytes) -> list[SessionEvent]:
        """Send data."""
        return self.deliver(self.frame(stream, payload))

    def opened(self, stream: int, *, accept: bool = True) -> Stream:
        """The peer opens a stream on the session."""
        [event] = self.say(Open(stream, TARGET))
        assert isinstance(event, Opened)
        if accept:
            self.session.accept(event.stream, None)
        return event.stream

    def can_reopen(self, stream: Stream) -> bool:
        """Whether the slot is free; opens it again if so."""
        return not stream.in_use and self.opened(stream.id) is stream

    def answered(self, reply: int = 0) -> Stream:
        """The session opens a stream, and the peer answers."""
        stream = self.session.open(TARGET)
        self.hear()
        self.say(OpenResult(stream.id, reply, None))
        return stream

    # -- from the session ------------------------------------------------------------------

    def hear(self, space: int = 1 << 20) -> list[Heard]:
        """All that the session writes now, read as a peer reads it, checks included."""
        return list(self._frames(self.write(space)))

    def talk(self) -> list[Heard]:
        """What the session says of its streams now."""
        return [item for item in self.hear() if not isinstance(item, (Ping, Ack))]

    def heard_bytes(self, space: int = 1 << 20) -> int:
        """How many bytes that is."""
        data = self.write(space)
        for _ in self._frames(data):
            pass
        return len(data)

    def write(self, space: int = 1 << 20) -> bytes:
        """The same, unread: the peer can't follow afterwards."""
        out = memoryview(bytearray(space))
        return bytes(out[: self.session.write_into(out, self.now)])

    def _frames(self, data: bytes) -> Iterator[Heard]:
        while data:
            frame_id, length = HEADER.unpack_from(data)
            body, data = data[HEADER.size : HEADER.size + length], data[HEADER.size + length :]
            payload, check = body[: -CHECK.size], CHECK.unpack(body[-CHECK.size :])
            assert check == (epoch_of(OURS, THEIRS), self._heard)
            self._heard += 1
            if frame_id == CONTROL_ID:
                yield decode_message(memoryview(payload))
            else:
                yield frame_id, payload


def kept(event: SessionEvent) -> SessionEvent:
    """The event, to be looked at later: its data is valid only until the next one."""
    if isinstance(event, Data):
        return Data(event.stream, memoryview(bytes(event.data)))
    if isinstance(event, ParcelCame) and isinstance(event.parcel, (Datagram, Ask, Tell)):
        return ParcelCame(replace(event.parcel, data=bytes(event.parcel.data)))
    return event


def queued(thing: object) -> int:
    """How many items wait in the queues of an object and of the objects that it is made of."""
    total = 0
    for value in vars(thing).values():
        if isinstance(value, (deque, list, dict, set, bytes, bytearray)):
            total += len(value)
        elif isinstance(value, Enum):
            continue  # a flag knows its opposite, and that knows it
        elif type(value).__module__.startswith("vsocks.") and hasattr(value, "__dict__"):
            total += queued(value)
    return total


def waiting_parcels(session: Session) -> list[bytes]:
    """The parcels that have not left yet. They are bounded in bytes, not in number."""
    return [payload for _, payload in session._outbox.parcel_queue._waiting]
