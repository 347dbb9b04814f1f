"""What leaves a session, and in which order.

Control messages go first, then the streams in turn, one frame each, and a parcel after each
of them. Nothing here can grow with traffic: data is held as one piece a stream, a control
message is queued as its kind and its stream, once, and encoded when it leaves; parcels wait in a
bounded queue. A slot isn't free before our CLOSE has left, so a peer that opens and closes
without reading has one round of messages waiting at most.

A Flight bounds what is on its way, so that a message or a keystroke is never far behind.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from vsocks.protocol.flow import MIN_LIMIT, Flight
from vsocks.protocol.frames import CHECK, CONTROL_ID, HEADER, OVERHEAD
from vsocks.protocol.messages import (
    Ack,
    Close,
    CloseCode,
    Credit,
    End,
    Goodbye,
    Kind,
    Listen,
    Listening,
    Message,
    Open,
    OpenResult,
    Ping,
    Pong,
    encode_message,
)
from vsocks.protocol.parcel_queue import ParcelQueue
from vsocks.protocol.stream_table import StreamTable
from vsocks.protocol.streams import Sending, Stream

#: Room that any control frame fits into: an OPEN with a name of 255 bytes, and some to grow.
MAX_CONTROL: Final = 512
#: Rather than send a sliver, wait until this much may go.
_WORTHWHILE: Final = 1024
#: What fits into one message, should a peer send that much and never read.
_MAX_ACK: Final = 0xFFFFFFFF


class Outbox:
    """The sending half of a session."""

    def __init__(self, epoch: int, max_frame: int, table: StreamTable) -> None:
        self._epoch = epoch
        self._table = table
        self._sequence = 0
        self._max_payload = max_frame - CHECK.size
        self._urgent: deque[tuple[Kind, Stream | None]] = deque()
        self._turns: deque[Stream] = deque()
        self._drained: list[Stream] = []
        self.parcel_queue = ParcelQueue(self._max_payload)
        #: Streams and parcels take turns, over many calls: there may be room for one at a time.
        self._stream_was_last = True
        self.flight = Flight(min_limit=min(MIN_LIMIT, 4 * max_frame))
        #: What the session-wide messages will say.
        self.unacked = 0
        self.ping_token = 0
        self.pong_token: int | None = None
        self.goodbye_reason = ""

    def __repr__(self) -> str:
        return (
            f"<Outbox sequence={self._sequence} urgent={len(self._urgent)} "
            f"turns={len(self._turns)} {self.parcel_queue!r} {self.flight!r}>"
        )

    def queue(self, kind: Kind, stream: Stream | None = None) -> None:
        """Send a control message before any data."""
        self._urgent.append((kind, stream))

    def is_queued(self, kind: Kind) -> bool:
        """Whether a message of that kind waits; for kinds without a stream."""
        return (kind, None) in self._urgent

    def take_turn(self, stream: Stream) -> None:
        """Let the stream send when its turn comes, if it has anything to send."""
        if not stream.in_turn and stream.has_work:
            stream.in_turn = True
            self._turns.append(stream)

    def drained(self) -> list[Stream]:
        """The streams whose piece of data has left since the last call."""
        drained, self._drained = self._drained, []
        return drained

    def write_into(self, out: memoryview, now: float) -> int:
        """Put whole frames into ``out`` (MAX_CONTROL bytes at least); returns how many bytes.

        They count as sent. Data waits while a control message does.
        """
        if not self._urgent and not self._turns and not self.parcel_queue.next_size(now):
            return 0
        position = self._write_urgent(out)
        while room := self._payload_room(len(out) - position, position):
            if self._parcel_is_next(len(out) - position, now):
                position = self._frame(out, position, CONTROL_ID, self.parcel_queue.take())
                self._stream_was_last = False
            elif self._turns:
                position = self._give_turn(self._turns.popleft(), out, position, room)
                self._stream_was_last = True
            else:
                break
        if position:
            self.flight.sent(position, now)
        return position

    def _write_urgent(self, out: memoryview) -> int:
        position = 0
        while self._urgent and len(out) - position >= MAX_CONTROL:
            message = self._message(*self._urgent.popleft())
            if message is not None:
                position = self._frame(out, position, CONTROL_ID, encode_message(message))
        return position

    def _parcel_is_next(self, space: int, now: float) -> bool:
        """Whether a parcel waits that fits, and it is its turn or no stream wants one."""
        fits = 0 < self.parcel_queue.next_size(now) <= space - OVERHEAD
        return fits and (self._stream_was_last or not self._turns)

    def _payload_room(self, space: int, written: int) -> int:
        """The longest payload of a stream that may go now; 0 to wait.

        A quarter of the limit at most, so that on a slow channel the other streams aren't
        long behind one frame.
        """
        room = min(space, self.flight.room - written) - OVERHEAD
        if self._urgent or room < min(self._max_payload, _WORTHWHILE):
            return 0
        return min(room, self._max_payload, self.flight.limit // 4)

    def _give_turn(self, stream: Stream, out: memoryview, position: int, room: int) -> int:
        stream.in_turn = False
        if not stream.has_work:
            return position
        data = stream.outbound
        if data is None:
            message = self._end_or_close(stream)
            position = self._frame(out, position, CONTROL_ID, encode_message(message))
        else:
            size = min(len(data), stream.send_credit, room)
            position = self._frame(out, position, stream.id, data[:size])
            stream.send_credit -= size
            stream.outbound = data[size:] if size < len(data) else None
            if stream.outbound is None:
                self._drained.append(stream)
        self.take_turn(stream)
        return position

    def _frame(self, out: memoryview, at: int, frame_id: int, payload: memoryview | bytes) -> int:
        size = len(payload)
        HEADER.pack_into(out, at, frame_id, size + CHECK.size)
        at += HEADER.size
        out[at : at + size] = payload
        at += size
        CHECK.pack_into(out, at, self._epoch, self._sequence)
        self._sequence = (self._sequence + 1) & 0xFFFFFFFF
        return at + CHECK.size

    def _message(self, kind: Kind, stream: Stream | None) -> Message | None:
        """What a queue entry has become by now; None if it is needless."""
        if stream is not None:
            return self._stream_message(kind, stream)
        match kind:
            case Kind.ACK:
                size = min(self.unacked, _MAX_ACK)
                self.unacked -= size
                return Ack(size)
            case Kind.PING:
                self.ping_token += 1
                return Ping(self.ping_token)
            case Kind.PONG if self.pong_token is not None:
                token, self.pong_token = self.pong_token, None
                return Pong(token)
            case Kind.GOODBYE:
                return Goodbye(self.goodbye_reason)
            case _:
                return None

    def _stream_message(self, kind: Kind, stream: Stream) -> Message | None:
        match kind:
            case Kind.OPEN:
                assert stream.target is not None
                return Open(stream.id, stream.target)
            case Kind.LISTEN:
                assert stream.target is not None
                return Listen(stream.id, stream.target)
            case Kind.LISTENING if stream.is_held:
                assert stream.listening_at is not None
                return Listening(stream.id, stream.listening_at)
            case Kind.OPEN_RESULT if stream.sending is Sending.REFUSING:
                self._table.last_word_sent(stream)
                return OpenResult(stream.id, stream.refusal, None)
            case Kind.OPEN_RESULT:
                return OpenResult(stream.id, 0, stream.target)
            case Kind.CLOSE:
                self._table.last_word_sent(stream)
                return Close(stream.id, stream.reset_code)
            case Kind.CREDIT:
                stream.credit_queued = False
                if stream.sending is Sending.CLOSED or stream.peer_is_done:
                    return None
                size, stream.unreported = stream.unreported, 0
                stream.receive_credit += size
                return Credit(stream.id, size)
            case _:
                return None

    def _end_or_close(self, stream: Stream) -> Message:
        """The END or CLOSE that was waiting behind the data."""
        if stream.sending is Sending.ENDING:
            stream.sending = Sending.ENDED
            return End(stream.id)
        self._table.last_word_sent(stream)
        return Close(stream.id, CloseCode.DONE)
