"""The multiplexer as a state machine: the streams, credit and rules of one session.

Bytes go in by receive() and come out by write_into(); what happened comes as events. Time is
an argument. A session that raises SessionLostError is over.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

from vsocks.errors import (
    GoodbyeError,
    NotSupportedError,
    ProtocolError,
    SessionLostError,
    printable,
)
from vsocks.protocol.any_session import Load
from vsocks.protocol.events import (
    Answered,
    Closed,
    Data,
    Ended,
    ListeningAt,
    Opened,
    ParcelCame,
    SessionEvent,
)
from vsocks.protocol.frames import CHECK, CONTROL_ID, HEADER, epoch_of
from vsocks.protocol.handshake import MAGIC, Feature, Offer, Role, decode_hello
from vsocks.protocol.heartbeat import Heartbeat
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
    decode_message,
)
from vsocks.protocol.outbox import Outbox
from vsocks.protocol.stream_table import StreamTable
from vsocks.protocol.streams import Receiving, Sending

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from vsocks.address import Target
    from vsocks.protocol.parcels import Parcel
    from vsocks.protocol.streams import Stream

#: Bytes of frames taken before they are acknowledged.
ACK_EVERY: Final = 16 * 1024
#: Seconds of silence before a ping, and before the session is given up.
HEARTBEAT_INTERVAL: Final = 1.0
HEARTBEAT_TIMEOUT: Final = 5.0
_MAX_CREDIT: Final = 1 << 33
_GENERAL_FAILURE: Final = 1


class Session:
    """One session of our own protocol, from the handshake to its loss."""

    #: The host answers an open, so a client can be told the truth.
    confirms_open: Final = True
    #: One direction of a stream can end by itself.
    half_closes: Final = True
    #: Nothing stops the reader of the channel: streams have credit.
    is_stalled: Final = False

    def __init__(
        self,
        role: Role,
        *,
        nonces: tuple[int, int],
        offer: Offer,
        peer_offer: Offer,
        now: float,
    ) -> None:
        """``nonces`` are ours and the peer's, ``offer`` and ``peer_offer`` what each promised."""
        self._role = role
        self._nonces = nonces
        self._epoch = epoch_of(nonces[1], nonces[0])
        self._sequence = 0
        self._window = offer.window
        self._max_frame = offer.max_frame
        self._ack_every = min(ACK_EVERY, offer.max_frame)
        self._heartbeat = Heartbeat(now, HEARTBEAT_INTERVAL, HEARTBEAT_TIMEOUT)
        # Not longer than our own offer either: a new daemon on our side pads by what it takes.
        max_frame = min(offer.max_frame, peer_offer.max_frame)
        count = min(offer.max_streams, peer_offer.max_streams)
        self._table = StreamTable(role, count, window=offer.window, peer_window=peer_offer.window)
        self._outbox = Outbox(epoch_of(*nonces), max_frame, self._table)
        # The first frame shows the peer that its hello has arrived.
        self._outbox.queue(Kind.PING)
        #: When the last ping was due whose answer is awaited.
        self._pinged: float | None = None
        #: What both sides can do.
        self.features = offer.features & peer_offer.features
        #: How many bytes of the last receive() have been used up.
        self.taken = 0
        #: The peer has repeated its hello because it has not had ours.
        self.hello_due = False

    def __repr__(self) -> str:
        return (
            f"<Session {self._role.name.lower()} epoch={self._epoch:#010x} "
            f"sequence={self._sequence} {self._table!r} {self._outbox!r}>"
        )

    # -- what a daemon asks for ------------------------------------------------------------

    @property
    def max_streams(self) -> int:
        """How many streams each side can have open at once."""
        return self._table.count

    def open(self, target: Target) -> Stream:
        """Take a slot and ask the peer to connect it.

        Raises BusyError if all are taken, NotSupportedError if the peer takes no streams.
        """
        if self._role is Role.HOST:
            self.require(Feature.HOST_STREAMS)
        return self._begin(Kind.OPEN, target, Receiving.AWAITED)

    def listen(self, target: Target) -> Stream:
        """Take a slot and ask the peer to let ``target`` connect to it; raises as open() does."""
        self.require(Feature.LISTENING)
        return self._begin(Kind.LISTEN, target, Receiving.PLACE_AWAITED)

    def require(self, feature: Feature) -> None:
        """Raise NotSupportedError unless both sides have the feature."""
        if not self.features & feature:
            raise NotSupportedError("the other side is of a version that can't do this")

    def _begin(self, kind: Kind, target: Target, first: Receiving) -> Stream:
        stream = self._table.take_own(first)
        stream.target = target
        self._outbox.queue(kind, stream)
        return stream

    def listening(self, stream: Stream, bound: Target) -> None:
        """Tell the peer where its target can connect to; once, before the answer."""
        if stream.sending is Sending.ASKED:
            stream.listening_at = bound
            self._outbox.queue(Kind.LISTENING, stream)

    def accept(self, stream: Stream, bound: Target | None) -> None:
        """Tell the peer that the target is connected, and from which address of ours.

        After listening() it is the address of who has come.
        """
        if stream.sending is Sending.ASKED:
            stream.sending = Sending.OPEN
            stream.target = bound
            self._outbox.queue(Kind.OPEN_RESULT, stream)

    def refuse(self, stream: Stream, reply: int) -> None:
        """Tell the peer why not; ``reply`` is RFC 1928's, not 0. This is our close()."""
        if stream.sending is Sending.ASKED:
            stream.sending = Sending.REFUSING
            stream.refusal = reply
            self._outbox.queue(Kind.OPEN_RESULT, stream)

    def send(self, stream: Stream, data: memoryview) -> None:
        """Queue one piece of data.

        The bytes must stay as they are until drained() names the stream or the stream is
        closed; one piece at a time.
        """
        assert stream.outbound is None, "the piece before has not left yet"
        if len(data) and stream.sending is Sending.OPEN:
            stream.outbound = data
            self._outbox.take_turn(stream)

    def end(self, stream: Stream) -> None:
        """Send no more data after what is queued."""
        if stream.sending is Sending.OPEN:
            stream.sending = Sending.ENDING
            self._outbox.take_turn(stream)

    def close(self, stream: Stream, code: int = CloseCode.DONE) -> None:
        """Give the stream back: DONE after the queued data, anything else at once.

        DONE before the peer has ended would lose what it still sends, so it becomes RESET.
        """
        if not stream.is_held:
            return
        if stream.sending is Sending.ASKED:
            self.refuse(stream, _GENERAL_FAILURE)
        elif code == CloseCode.DONE and stream.peer_is_done:
            stream.sending = Sending.CLOSING
            self._outbox.take_turn(stream)
        else:
            self._reset(stream, code or CloseCode.RESET)

    def consumed(self, stream: Stream, size: int) -> None:
        """``size`` bytes of the stream have been passed on: the peer may send as many more."""
        stream.unreported += size
        if stream.credit_queued or stream.unreported * 2 < self._window:
            return
        if stream.is_held and not stream.peer_is_done:
            stream.credit_queued = True
            self._outbox.queue(Kind.CREDIT, stream)

    def post(self, parcel: Parcel, now: float) -> bool:
        """Send a message that is no stream's, soon or never; False if it was dropped at once.

        The peer must have its feature.
        """
        return self._outbox.parcel_queue.put(parcel, now)

    @property
    def dropped(self) -> int:
        """How many datagrams were not sent: too many, too late or too long."""
        return self._outbox.parcel_queue.dropped

    @property
    def load(self) -> Load:
        """What is on its way to the peer."""
        flight, parcels = self._outbox.flight, self._outbox.parcel_queue
        return Load(flight.unacked, flight.limit, parcels.count, flight.delay)

    def goodbye(self, reason: str) -> None:
        """Tell the peer that the session ends now."""
        self._outbox.goodbye_reason = reason
        self._outbox.queue(Kind.GOODBYE)

    # -- bytes out, and time ---------------------------------------------------------------

    def write_into(self, out: memoryview, now: float) -> int:
        """Put whole frames into ``out``; returns how many bytes. They count as sent."""
        return self._outbox.write_into(out, now)

    def drained(self) -> list[Stream]:
        """The streams whose piece of data has left since the last call."""
        return self._outbox.drained()

    @property
    def next_poll(self) -> float:
        """When poll() should be called."""
        return self._heartbeat.next_poll

    def poll(self, now: float) -> None:
        """Ping a silent peer; raises SessionLostError when it has been silent for too long."""
        if self._heartbeat.poll(now) and not self._outbox.is_queued(Kind.PING):
            self._outbox.queue(Kind.PING)
            self._pinged = now
        if self._heartbeat.expired(now):
            raise SessionLostError(f"nothing came from the peer for {HEARTBEAT_TIMEOUT:.0f} s")

    # -- bytes in --------------------------------------------------------------------------

    def receive(
        self, data: memoryview, now: float, most: int = sys.maxsize
    ) -> Generator[SessionEvent, None, int]:
        """Parse whole frames in ``data``, ``most`` of them at most; returns how many.

        ``taken`` says how far that got. Raises SessionLostError (mostly ProtocolError) at the
        first frame that can't be of this session; nothing of that frame has been passed on.
        """
        self.taken = handled = 0
        while handled < most and len(data) - self.taken >= HEADER.size:
            start = self.taken + HEADER.size
            frame_id, length = HEADER.unpack_from(data, self.taken)
            if length > self._max_frame:
                raise ProtocolError(f"a frame of {length} bytes; {self._max_frame} are allowed")
            if start + length > len(data):
                break
            body = data[start : start + length]
            if frame_id == CONTROL_ID and body[: len(MAGIC)] == MAGIC:
                self._receive_hello(body)
            else:
                payload = self._checked(body, now)
                if frame_id == CONTROL_ID:
                    yield from self._receive_message(decode_message(payload), now)
                else:
                    yield from self._receive_data(frame_id, payload)
            self.taken = start + length
            handled += 1
        return handled

    def _checked(self, body: memoryview, now: float) -> memoryview:
        """The payload of a frame that is whole and of this session."""
        size = len(body) - CHECK.size
        if size < 0:
            raise ProtocolError("a frame too short to hold its check")
        if CHECK.unpack_from(body, size) != (self._epoch, self._sequence):
            raise ProtocolError("a frame that is torn or not of this session (wrong check)")
        self._sequence = (self._sequence + 1) & 0xFFFFFFFF
        self._heartbeat.heard(now)
        self._count(HEADER.size + len(body))
        return body[:size]

    def _count(self, size: int) -> None:
        unacked = self._outbox.unacked
        self._outbox.unacked = unacked + size
        if unacked < self._ack_every <= unacked + size:
            self._outbox.queue(Kind.ACK)

    def _receive_hello(self, body: memoryview) -> None:
        hello = decode_hello(body)
        if hello is None or hello.role is self._role:
            raise ProtocolError("a damaged hello")
        if (hello.echo, hello.nonce) != self._nonces:
            raise SessionLostError("the peer has started anew")
        if not self._sequence:
            self.hello_due = True

    def _receive_data(self, stream_id: int, payload: memoryview) -> Iterator[SessionEvent]:
        stream = self._table.live(stream_id)
        if stream.peer_is_done:
            raise ProtocolError(f"data on stream {stream_id} after its end")
        stream.receive_credit -= len(payload)
        if stream.receive_credit < 0:
            raise ProtocolError(f"the peer overstepped its credit on stream {stream_id}")
        if stream.is_held and len(payload):
            yield Data(stream, payload)

    def _receive_message(self, message: Message | None, now: float) -> Iterator[SessionEvent]:
        match message:
            case Ack(size):
                self._outbox.flight.acked(size, now)
            case Credit(stream_id, size):
                self._receive_credit(self._table.live(stream_id), size)
            case Open(stream_id, target):
                yield self._receive_open(stream_id, target, listens=False)
            case Listen(stream_id, target):
                yield self._receive_open(stream_id, target, listens=True)
            case Listening(stream_id, bound):
                yield from self._receive_listening(self._table.used(stream_id), bound)
            case OpenResult(stream_id, reply, bound):
                yield from self._receive_result(stream_id, reply, bound)
            case End(stream_id):
                yield from self._receive_end(self._table.live(stream_id))
            case Close(stream_id, code):
                yield from self._receive_close(self._table.live(stream_id), code)
            case Ping(token):
                if self._outbox.pong_token is None:
                    self._outbox.queue(Kind.PONG)
                self._outbox.pong_token = token
            case Goodbye(reason):
                raise GoodbyeError(f"the peer said goodbye: {printable(reason)}")
            case Pong():
                self._receive_pong(now)
            case None:
                pass
            case _:
                yield ParcelCame(message)

    def _receive_pong(self, now: float) -> None:
        if self._pinged is not None:
            self._outbox.flight.delay = now - self._pinged
            self._pinged = None

    def _receive_credit(self, stream: Stream, size: int) -> None:
        stream.send_credit += size
        if stream.send_credit > _MAX_CREDIT:
            raise ProtocolError(f"too much credit on stream {stream.id}")
        self._outbox.take_turn(stream)

    def _receive_open(self, stream_id: int, target: Target, *, listens: bool) -> SessionEvent:
        return Opened(self._table.take_peers(stream_id), target, listens)

    def _receive_listening(self, stream: Stream, bound: Target) -> Iterator[SessionEvent]:
        if stream.receiving is not Receiving.PLACE_AWAITED:
            raise ProtocolError(f"stream {stream.id} listens, but nobody asked it to")
        stream.receiving = Receiving.AWAITED
        if stream.is_held:
            yield ListeningAt(stream, bound)

    def _receive_result(
        self, stream_id: int, reply: int, bound: Target | None
    ) -> Iterator[SessionEvent]:
        stream = self._table.used(stream_id)
        if stream.is_answered:
            raise ProtocolError(f"an answer for stream {stream_id} that nobody asked for")
        if stream.receiving is Receiving.PLACE_AWAITED and reply == 0:
            raise ProtocolError(f"somebody came to stream {stream_id} before it listened")
        if reply:
            self._table.last_word_received(stream)
        else:
            stream.receiving = Receiving.OPEN
        if stream.is_held:
            yield Answered(stream, reply, bound)

    def _receive_end(self, stream: Stream) -> Iterator[SessionEvent]:
        if stream.peer_is_done:
            raise ProtocolError(f"stream {stream.id} ended twice")
        stream.receiving = Receiving.ENDED
        if stream.is_held:
            yield Ended(stream)

    def _receive_close(self, stream: Stream, code: int) -> Iterator[SessionEvent]:
        if stream.receiving is Receiving.CLOSED:
            raise ProtocolError(f"stream {stream.id} closed twice")
        self._table.last_word_received(stream)
        if code == CloseCode.DONE and stream.sending < Sending.ENDED:
            code = CloseCode.RESET  # it doesn't take what we still have to say
        if stream.is_held:
            yield Closed(stream, code)
        elif code != CloseCode.DONE and stream.sending is Sending.CLOSING:
            self._reset(stream, CloseCode.RESET)

    def _reset(self, stream: Stream, code: int) -> None:
        stream.sending = Sending.RESETTING
        stream.reset_code = code
        stream.outbound = None
        self._outbox.queue(Kind.CLOSE, stream)
