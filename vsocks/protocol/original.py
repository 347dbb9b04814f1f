"""The original wire format as a session: for a peer that knows nothing else.

``u16 id, u16 length`` little-endian, then the data. The first packet of an id is the request
(address type, address and port as in a SOCKS5 request), the following ones are data, and a
length of 0 closes. What the format leaves open can't be added from one side:

- no answer to a request: the guest must tell its client that all is well before it knows;
- no credit: one slow reader stops the others while it is full, until it is given up;
- no half-close: the end of one direction ends both;
- no way back into step after a loss, and no sign of life.

A close from the peer frees its id at once: the next packet on it may be a new request, while
here the old stream still has data to give to its socket. So each use of an id has a Stream of
its own. After a close of ours the peer's data may still be under way, which nothing tells from
a malformed request; it is ignored. The guest reuses an id as late as possible.
"""

from __future__ import annotations

import re
import sys
from collections import deque
from typing import TYPE_CHECKING, Final

from vsocks.address import Target, encode_address, parse_address
from vsocks.errors import BusyError, NotSupportedError, ProtocolError
from vsocks.protocol.any_session import Load
from vsocks.protocol.events import Closed, Data, Opened, SessionEvent
from vsocks.protocol.frames import CONTROL_ID, HEADER
from vsocks.protocol.handshake import Feature, Role
from vsocks.protocol.messages import CloseCode
from vsocks.protocol.streams import Receiving, Sending, Stream

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from vsocks.protocol.parcels import Parcel

#: "Fixed buffer sizes (4KB per connection by default)".
MAX_DATA: Final = 4096
#: Seconds that a full stream may hold up the others.
STALL_TIMEOUT: Final = 10.0
_CLOSE: Final = 0
_CAN_NOT: Final = "the other side speaks the original wire, which can't do this"


#: No guest has so many streams that the id and length of its first packet read so; a web page can
#: have the host's browser send it to a channel that listens on TCP.
_HTTP_METHOD: Final = re.compile(rb"[A-Z]{3}[A-Z ]")


class PeerSpeaksVsocksError(ProtocolError):
    """A control frame came: the peer knows our own protocol."""


class NoPeerError(ProtocolError):
    """What came first is another protocol's."""


class OriginalSession:
    """A session in the original format, with the methods of Session."""

    confirms_open: Final = False
    half_closes: Final = False
    features: Final = Feature(0)
    dropped: Final = 0
    load: Final = Load()

    def __init__(
        self,
        role: Role,
        *,
        max_streams: int,
        window: int,
        kept_free: frozenset[int] = frozenset(),
        skips_control: bool = False,
    ) -> None:
        """``window`` is how much of a stream the daemon can hold; ``kept_free`` ids aren't used.

        ``skips_control`` holds to the original format even if the peer says hello in ours.
        """
        self._role = role
        self._skips_control = skips_control
        self._window = window
        self._streams = [Stream(number) for number in range(max_streams)]
        self._idle = deque(n for n in range(max_streams) if n not in kept_free)
        #: Ids on which our close was the last word.
        self._let_go: set[int] = set()
        self._turns: deque[Stream] = deque()
        self._drained: list[Stream] = []
        self._stalled_since: float | None = None
        self._opened = 0
        self._has_begun = False
        self.taken = 0
        #: There are no hellos here.
        self.hello_due = False

    def __repr__(self) -> str:
        used = sum(stream.in_use for stream in self._streams)
        return (
            f"<OriginalSession {self._role.name.lower()} {used} of {len(self._streams)} in use, "
            f"turns={len(self._turns)} stalled={self.is_stalled}>"
        )

    @property
    def max_streams(self) -> int:
        """How many streams there can be at once."""
        return len(self._streams)

    # -- what a daemon asks for ------------------------------------------------------------

    def open(self, target: Target) -> Stream:
        """Take a slot and send the request; raises BusyError if all are taken."""
        if self._role is Role.HOST:
            self.require(Feature.HOST_STREAMS)
        if not self._idle:
            raise BusyError(f"all {len(self._streams)} streams are taken")
        stream = self._take(self._idle.popleft())
        stream.target = target
        self._take_turn(stream)
        return stream

    def listen(self, target: Target) -> Stream:
        """The format has no way to say so: raises NotSupportedError."""
        raise NotSupportedError(_CAN_NOT)

    def require(self, feature: Feature) -> None:
        """The format has no features: raises NotSupportedError."""
        raise NotSupportedError(_CAN_NOT)

    def listening(self, stream: Stream, bound: Target) -> None:
        """The format has no way to say so."""

    def post(self, parcel: Parcel, now: float) -> bool:
        """The format has no way to say so."""
        return False

    def accept(self, stream: Stream, bound: Target | None) -> None:
        """The format has no way to say so."""

    def refuse(self, stream: Stream, reply: int) -> None:
        """Close the stream: all that the format can say."""
        self.close(stream, reply)

    def send(self, stream: Stream, data: memoryview) -> None:
        """Queue one piece of data, as Session.send() does."""
        assert stream.outbound is None, "the piece before has not left yet"
        if len(data) and stream.sending is Sending.OPEN:
            stream.outbound = data
            self._take_turn(stream)

    def end(self, stream: Stream) -> None:
        """The end of one direction can't be said; close() follows."""

    def close(self, stream: Stream, code: int = CloseCode.DONE) -> None:
        """Give the stream back: DONE after the queued data, anything else at once."""
        if not stream.is_held:
            return
        stream.sending = Sending.CLOSING
        if code != CloseCode.DONE:
            stream.outbound = None
        self._take_turn(stream)

    def consumed(self, stream: Stream, size: int) -> None:
        """``size`` bytes have been passed on: there is room for as many more."""
        stream.receive_credit += size

    def goodbye(self, reason: str) -> None:
        """The format has no way to say so."""

    # -- bytes out -------------------------------------------------------------------------

    def write_into(self, out: memoryview, now: float) -> int:
        """Put whole frames into ``out``; returns how many bytes."""
        position = 0
        while self._turns and len(out) - position >= HEADER.size + MAX_DATA:
            stream = self._turns.popleft()
            stream.in_turn = False
            position = self._give_turn(stream, out, position)
            self._take_turn(stream)
        return position

    def _give_turn(self, stream: Stream, out: memoryview, at: int) -> int:
        if not stream.in_use:
            return at
        if stream.target is not None:
            request, stream.target = encode_address(stream.target), None
            return _frame(out, at, stream.id, request)
        if stream.outbound is not None:
            data = stream.outbound
            size = min(len(data), MAX_DATA)
            stream.outbound = data[size:] if size < len(data) else None
            if stream.outbound is None:
                self._drained.append(stream)
            return _frame(out, at, stream.id, data[:size])
        if stream.sending is Sending.CLOSING:
            self._free(stream)
            self._let_go.add(stream.id)
            return _frame(out, at, stream.id, b"")
        return at

    def drained(self) -> list[Stream]:
        """The streams whose piece of data has left since the last call."""
        drained, self._drained = self._drained, []
        return drained

    def _take_turn(self, stream: Stream) -> None:
        waits = (
            stream.target is not None
            or stream.outbound is not None
            or stream.sending is Sending.CLOSING
        )
        if waits and stream.in_use and not stream.in_turn:
            stream.in_turn = True
            self._turns.append(stream)
            if len(self._turns) > 2 * len(self._streams):
                self._turns = deque(stream for stream in self._turns if stream.in_use)

    # -- time ------------------------------------------------------------------------------

    @property
    def next_poll(self) -> float | None:
        """When poll() should be called; None while nothing is waited for."""
        return None

    def poll(self, now: float) -> None:
        """Nothing is ever due: the format has no heartbeat."""

    # -- bytes in --------------------------------------------------------------------------

    def receive(
        self, data: memoryview, now: float, most: int = sys.maxsize
    ) -> Generator[SessionEvent, None, int]:
        """Parse whole frames in ``data``, ``most`` of them at most; returns how many.

        ``taken`` says how far that got. It stops before data for a stream that has no room,
        which is closed after STALL_TIMEOUT seconds. Raises PeerSpeaksVsocksError at a control
        frame, and NoPeerError.
        """
        self.taken = handled = 0
        if not self._has_begun and len(data) >= HEADER.size:
            self._has_begun = True
            if self._role is Role.HOST and _HTTP_METHOD.match(data):
                self.taken = len(data)
                raise NoPeerError("the other side speaks HTTP")
        while handled < most and len(data) - self.taken >= HEADER.size:
            start = self.taken + HEADER.size
            stream_id, length = HEADER.unpack_from(data, self.taken)
            if stream_id == CONTROL_ID and length != _CLOSE and not self._skips_control:
                raise PeerSpeaksVsocksError("the peer speaks vsocks's own protocol")
            if start + length > len(data):
                break
            payload = data[start : start + length]
            stream = self._streams[stream_id] if stream_id < len(self._streams) else None
            if stream is not None and stream.in_use:
                overflows = stream.is_held and length > stream.receive_credit
                if overflows and not self._has_waited(now):
                    break
                self._stalled_since = None
                if overflows:
                    yield Closed(stream, CloseCode.TIMEOUT)
                else:
                    yield from self._receive_frame(stream, payload)
            elif stream is not None and self._role is Role.HOST and length != _CLOSE:
                yield from self._receive_request(stream_id, payload)
            self.taken = start + length
            handled += 1
        return handled

    @property
    def is_stalled(self) -> bool:
        """Whether receive() waits for room in a stream."""
        return self._stalled_since is not None

    def _has_waited(self, now: float) -> bool:
        """Wait for room, from now on if that hasn't begun; True once it has taken too long."""
        if self._stalled_since is None:
            self._stalled_since = now
        return now - self._stalled_since >= STALL_TIMEOUT

    def _receive_frame(self, stream: Stream, payload: memoryview) -> Iterator[SessionEvent]:
        was_held = stream.is_held
        if len(payload) == _CLOSE:
            self._free(stream)
            if was_held:
                yield Closed(stream, CloseCode.DONE)
        elif was_held:
            stream.receive_credit -= len(payload)
            yield Data(stream, payload)

    def _receive_request(self, stream_id: int, payload: memoryview) -> Iterator[SessionEvent]:
        target = parse_request(payload)
        if target is not None:
            yield Opened(self._take(stream_id), target)
        elif stream_id not in self._let_go:
            self.close(self._take(stream_id))

    # -- slots -----------------------------------------------------------------------------

    def _take(self, stream_id: int) -> Stream:
        stream = self._streams[stream_id] = Stream(stream_id)
        self._opened += 1
        stream.take(Sending.OPEN, Receiving.OPEN, number=self._opened, receive_credit=self._window)
        self._let_go.discard(stream_id)
        return stream

    def _free(self, stream: Stream) -> None:
        """Either side's close frees the id; whoever has the stream may still finish with it."""
        stream.sending, stream.receiving = Sending.CLOSED, Receiving.CLOSED
        if stream.outbound is not None:
            stream.outbound = None
            self._drained.append(stream)
        if self._role is Role.GUEST:
            self._idle.append(stream.id)


def parse_request(payload: memoryview) -> Target | None:
    """The target of a whole first packet, None if it isn't exactly a request."""
    try:
        parsed = parse_address(payload)
    except ValueError:
        return None
    return parsed[0] if parsed is not None and parsed[1] == len(payload) else None


def _frame(out: memoryview, at: int, stream_id: int, payload: memoryview | bytes) -> int:
    HEADER.pack_into(out, at, stream_id, len(payload))
    at += HEADER.size
    out[at : at + len(payload)] = payload
    return at + len(payload)
