"""One end of a hostile channel: an endpoint, and an application that notices all that is wrong.

Every byte that a stream carries is a function of its connection, direction and offset, so a
byte that is lost, repeated or delivered to the wrong place is noticed at once. What a parcel
carries is a letter, which says in which session and on which association it was sent, and how many
before it: so one that is changed, repeated, out of order or of an old session is noticed, too.
"""

from __future__ import annotations

import functools
import random
import struct
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from vsocks.address import Target
from vsocks.errors import BusyError
from vsocks.protocol.endpoint import MAX_OUTPUT, Endpoint, EndpointConfig
from vsocks.protocol.events import (
    Answered,
    Closed,
    Data,
    Ended,
    ListeningAt,
    Opened,
    ParcelCame,
    SessionEvent,
    SessionLost,
    SessionUp,
)
from vsocks.protocol.handshake import Offer, Role
from vsocks.protocol.messages import CloseCode
from vsocks.protocol.parcels import Ask, Datagram, Parcel, Tell
from vsocks.protocol.session import Session
from vsocks.protocol.streams import Stream

PORT = 80
#: What comes before the text of a letter: both nonces, sender, association, number, size.
_LETTER_HEAD = struct.Struct("<QQBIII")
T = TypeVar("T")


def content(connection: int, role: Role, start: int, size: int) -> bytes:
    """The bytes that ``role`` sends on a connection, at an offset."""
    # Not the pattern of tests/support, which proves itself by words: a piece may be one byte here.
    seed = connection * 2 + role
    return bytes(
        (seed * 31 + (offset >> 8) * 7 + offset) & 0xFF for offset in range(start, start + size)
    )


def letter(
    nonces: tuple[int, int], sender: Role, association: int, number: int, size: int
) -> bytes:
    """The data of a parcel: the ``number``-th that ``sender`` posts on an association.

    ``nonces`` are those of the session, the sender's first.
    """
    head = _LETTER_HEAD.pack(*nonces, sender, association, number, size)
    return head + content(number + 64 * association, sender, 0, size)


def place(connection: int) -> Target:
    """Where the host waits for the target of a connection."""
    return Target("198.51.100.7", connection % 0x10000)


@dataclass
class Tally:
    """What a side has done with one connection."""

    stream: Stream | None
    #: What the stream was called.
    label: str
    #: The peer has asked for it, and whether it may send yet: the one who opens may at once.
    asked: bool = False
    may_send: bool = True
    #: It is a listen, and the place has been told.
    listens: bool = False
    announced: bool = False
    sent: int = 0
    received: int = 0
    unconsumed: int = 0
    ended: bool = False
    peer_ended: bool = False
    reply: int | None = None
    buffer: bytes = b""


def logged(method: Callable[..., T]) -> Callable[..., T]:
    """Note the calls from outside, so that a side can be made again as it was."""

    @functools.wraps(method)
    def call(self: Side, *arguments: Any) -> T:
        if self.depth == 0:
            self.log.append((method.__name__, arguments))
        self.depth += 1
        try:
            return method(self, *arguments)
        finally:
            self.depth -= 1

    return call


class Side:
    """One daemon: an endpoint, and the simplest application on it."""

    def __init__(self, role: Role, seed: int, now: float, offer: Offer) -> None:
        self.log: list[tuple[str, tuple[Any, ...]]] = []
        self.depth = 0
        self.birth = (role, seed, now, offer)
        entropy = random.Random(seed).randbytes
        self.role = role
        self.offer = offer
        self.endpoint = Endpoint(EndpointConfig(role, offer), now, entropy)
        self.connections: dict[int, Tally] = {}
        self.by_stream: dict[Stream, int] = {}
        #: Letters of this session by association: how many were posted, and the last that came.
        self.posted: Counter[int] = Counter()
        self.last_letter: Counter[int] = Counter()
        self.letters = 0
        self.ups = 0
        self.lost: list[str] = []
        self.now = now
        self.handle(self.endpoint.start())

    def as_it_was(self, calls: int) -> Side:
        """The side as it was after so many calls."""
        side = Side(*self.birth)
        for name, arguments in self.log[:calls]:
            getattr(side, name)(*arguments)
        return side

    # -- the channel -----------------------------------------------------------------------

    @logged
    def deliver(self, data: bytes, now: float) -> None:
        """Bytes come out of the channel."""
        self.now = now
        while data:
            room = self.endpoint.buffer()
            assert len(room), "the inbox is full"
            size = min(len(room), len(data))
            room[:size] = data[:size]
            data = data[size:]
            self.handle(self.endpoint.received(size, now))
            while self.endpoint.has_more:
                self.handle(self.endpoint.received(0, now))

    @logged
    def output(self, now: float, space: int = 2 * MAX_OUTPUT) -> bytes:
        """Bytes to put into the channel."""
        self.now = now
        out = memoryview(bytearray(space))
        size = self.endpoint.write_into(out, now)
        if self.endpoint.session is not None:
            for stream in self.endpoint.session.drained():
                if stream in self.by_stream:
                    self.connections[self.by_stream[stream]].buffer = b""
        return bytes(out[:size])

    @logged
    def poll(self, now: float) -> None:
        """Time passes."""
        self.now = now
        self.handle(self.endpoint.poll(now))

    # -- events ----------------------------------------------------------------------------

    def handle(self, events: object) -> None:
        for event in events:  # type: ignore[attr-defined]
            self.on(event)

    def on(self, event: SessionEvent) -> None:
        match event:
            case SessionUp():
                self.ups += 1
                assert not self.by_stream
                self.posted.clear()
                self.last_letter.clear()
            case SessionLost(reason):
                self.lost.append(reason)
                self.by_stream.clear()
                for tally in self.connections.values():
                    tally.stream = None
            case Opened(stream, target, listens):
                connection = int(target.host[1:])
                assert connection not in self.connections, "the same open twice"
                tally = Tally(stream, stream.label, asked=True, may_send=False, listens=listens)
                self.connections[connection] = tally
                self.by_stream[stream] = connection
            case ListeningAt(stream, bound):
                tally = self.connections[self.by_stream[stream]]
                assert tally.listens, "nobody asked it to"
                assert not tally.announced, "twice"
                assert bound == place(self.by_stream[stream])
                tally.announced = True
            case ParcelCame(parcel):
                self.read_letter(parcel)
            case Data(stream, data):
                self.take(self.by_stream[stream], bytes(data))
            case Answered(stream, reply, _):
                tally = self.connections[self.by_stream[stream]]
                assert reply or tally.announced == tally.listens
                tally.reply = reply
                if reply:
                    self.give_up(self.by_stream[stream])
            case Ended(stream):
                self.connections[self.by_stream[stream]].peer_ended = True
            case Closed(stream, code):
                tally = self.connections[self.by_stream[stream]]
                tally.peer_ended = True
                if code != CloseCode.DONE:
                    self.give_up(self.by_stream[stream])

    def take(self, connection: int, data: bytes) -> None:
        tally = self.connections[connection]
        assert not tally.peer_ended, "data after the end"
        peer = Role.HOST if self.role is Role.GUEST else Role.GUEST
        assert data == content(connection, peer, tally.received, len(data)), "a wrong byte"
        tally.received += len(data)
        tally.unconsumed += len(data)
        assert tally.unconsumed <= self.offer.window, "more than was promised"

    def read_letter(self, parcel: Parcel) -> None:
        """It must be one that the peer has posted in this session, and none before the last."""
        assert isinstance(parcel, (Datagram, Ask, Tell))
        nonces = self.nonces()
        assert nonces is not None
        data = bytes(parcel.data)
        *_, association, number, size = _LETTER_HEAD.unpack_from(data)
        assert data == letter(nonces[::-1], Role(1 - self.role), association, number, size)
        assert association == (
            parcel.association if isinstance(parcel, Datagram) else parcel.question
        )
        assert number > self.last_letter[association], "again, or out of order"
        self.last_letter[association] = number
        self.letters += 1

    def nonces(self) -> tuple[int, int] | None:
        """Those of the session that stands, ours first."""
        session = self.endpoint.session
        return session._nonces if isinstance(session, Session) else None

    # -- the application -------------------------------------------------------------------

    def live(self, connection: int) -> Tally | None:
        tally = self.connections.get(connection)
        return tally if tally is not None and tally.stream is not None else None

    @logged
    def open(self, connection: int, listen: bool = False) -> bool:
        """Open a stream, or listen; False if none is free or no session stands."""
        session = self.endpoint.session
        if session is None or connection in self.connections:
            return False
        target = Target(f"c{connection}", PORT)
        try:
            stream = session.listen(target) if listen else session.open(target)
        except BusyError:
            return False
        self.connections[connection] = Tally(stream, stream.label, listens=listen)
        self.by_stream[stream] = connection
        return True

    @logged
    def announce(self, connection: int) -> None:
        """Say where the target of a listen can come to, if that is still to be said."""
        tally = self.live(connection)
        if tally and tally.asked and tally.listens and not tally.announced and tally.stream:
            assert self.endpoint.session is not None
            tally.announced = True
            self.endpoint.session.listening(tally.stream, place(connection))

    @logged
    def accept(self, connection: int) -> None:
        tally = self.live(connection)
        if tally and tally.asked and tally.announced == tally.listens and tally.stream:
            assert self.endpoint.session is not None
            tally.may_send = True
            self.endpoint.session.accept(tally.stream, Target("127.0.0.1", 1))

    @logged
    def post(self, association: int, size: int, as_datagram: bool = True) -> bool:
        """Post the next letter of an association; False if it was dropped."""
        nonces, session = self.nonces(), self.endpoint.session
        if nonces is None or session is None:
            return False
        self.posted[association] += 1
        data = letter(nonces, self.role, association, self.posted[association], size)
        if as_datagram:
            return session.post(Datagram(association, Target("192.0.2.53", 53), data), self.now)
        if self.role is Role.GUEST:
            return session.post(Ask(association, 3, data), self.now)
        return session.post(Tell(association, 0, data), self.now)

    @logged
    def send(self, connection: int, size: int) -> bool:
        tally = self.live(connection)
        if tally is None or tally.buffer or tally.ended or not tally.may_send:
            return False
        assert self.endpoint.session is not None
        assert tally.stream is not None
        tally.buffer = content(connection, self.role, tally.sent, size)
        tally.sent += size
        self.endpoint.session.send(tally.stream, memoryview(tally.buffer))
        return True

    @logged
    def consume(self, connection: int) -> None:
        if (tally := self.live(connection)) and tally.stream and self.endpoint.session:
            size, tally.unconsumed = tally.unconsumed, 0
            self.endpoint.session.consumed(tally.stream, size)

    @logged
    def end(self, connection: int) -> None:
        tally = self.live(connection)
        if tally and tally.may_send and tally.stream and self.endpoint.session:
            tally.ended = True
            self.endpoint.session.end(tally.stream)

    @logged
    def finish(self, connection: int) -> None:
        """Close, if both directions have ended."""
        tally = self.live(connection)
        if tally and tally.ended and tally.peer_ended and not tally.buffer:
            self.give_up(connection, CloseCode.DONE)

    @logged
    def give_up(self, connection: int, code: int = CloseCode.RESET) -> None:
        if (tally := self.live(connection)) and tally.stream and self.endpoint.session:
            self.endpoint.session.close(tally.stream, code)
            del self.by_stream[tally.stream]
            tally.stream = None
            tally.buffer = b""
