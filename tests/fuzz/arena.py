"""An endpoint under test, and a daemon on it that believes nothing it is told.

The daemon keeps its own account of every stream, and asserts that what the endpoint tells it
is possible: no data before an open or after an end, never more than one window of it, nothing
of a session that is over. It answers every parcel that has an answer, as a daemon would.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tests.unit.protocol.peer import queued, waiting_parcels
from vsocks.address import Target
from vsocks.errors import BusyError, NotSupportedError
from vsocks.protocol.any_session import AnySession
from vsocks.protocol.endpoint import MAX_OUTPUT, Endpoint, EndpointConfig, Wire
from vsocks.protocol.events import (
    Answered,
    Closed,
    Data,
    Ended,
    ListeningAt,
    Notice,
    Opened,
    ParcelCame,
    SessionEvent,
    SessionLost,
    SessionUp,
)
from vsocks.protocol.frames import CHECK, CONTROL_ID, FIRST_HOST_ID, HEADER, MAX_LENGTH, epoch_of
from vsocks.protocol.handshake import ALL_FEATURES, Feature, Hello, Offer, Role
from vsocks.protocol.messages import CloseCode
from vsocks.protocol.original import STALL_TIMEOUT, OriginalSession
from vsocks.protocol.parcel_queue import TOTAL_BYTES
from vsocks.protocol.parcels import Ask, Associate, Associated, Datagram, Dissociate, Parcel, Tell
from vsocks.protocol.session import Session
from vsocks.protocol.streams import Stream

STREAMS = 4
WINDOW = 2048
TARGET = Target("example.com", 80)
THEIRS = 0x2222222222222222
#: The daemon does one of so many things.
ACTIONS = 11
OUTPUT = memoryview(bytearray(MAX_OUTPUT + 0xFFFF))
#: Queues hold at most a few entries a stream; an endpoint has a queue or two of each kind.
MOST_QUEUED = 40 * 2 * STREAMS


@dataclass
class Account:
    """What the daemon knows of one stream."""

    #: We have had the peer's answer, if we asked; we owe one, if the peer did.
    answered: bool = True
    owes_answer: bool = False
    #: A place is to be told before the answer.
    place_due: bool = False
    held: int = 0
    over: bool = False
    closed: bool = False


class Arena:
    """The endpoint, the daemon, and the hand that feeds them."""

    def __init__(self, role: Role, wire: Wire, max_frame: int = MAX_LENGTH) -> None:
        self.role = role
        self.now = 100.0
        self.accounts: dict[Stream, Account] = {}
        self.is_up = False
        #: What the peer's hellos say that it can do.
        self.peer_features = ALL_FEATURES
        self.sequence = 0
        self.peer_nonce = THEIRS
        self._born = 0
        config = EndpointConfig(role, Offer(STREAMS, WINDOW, max_frame), wire)
        self.endpoint = Endpoint(config, self.now, self._entropy)
        self._handle(self.endpoint.start())

    def _entropy(self, size: int) -> bytes:
        self._born += 1
        return self._born.to_bytes(size, "little")

    # -- the channel -----------------------------------------------------------------------

    def deliver(self, data: bytes) -> None:
        """Bytes come out of the channel."""
        while data:
            room = self.endpoint.buffer()
            if not len(room):
                assert self.endpoint.is_stalled, "the inbox is full, and nobody is waited for"
                self.wait(STALL_TIMEOUT + 1)
                continue
            size = min(len(room), len(data))
            room[:size] = data[:size]
            data = data[size:]
            self._work_through(size)

    def write(self, space: int) -> None:
        """The channel takes what there is to be sent."""
        size = self.endpoint.write_into(OUTPUT[: MAX_OUTPUT + space], self.now)
        assert size <= MAX_OUTPUT + space
        if self.endpoint.session is not None:
            self.endpoint.session.drained()
        self.check()

    def wait(self, seconds: float) -> None:
        """Time passes; what was waited for is over."""
        self.now += seconds
        self._handle(self.endpoint.poll(self.now))
        self._work_through(0)

    def _work_through(self, size: int) -> None:
        """Take all turns that so many more bytes need."""
        self._handle(self.endpoint.received(size, self.now))
        self.check()
        while self.endpoint.has_more:
            self._handle(self.endpoint.received(0, self.now))
            self.check()

    def check(self) -> None:
        """The bounds that hold at any time."""
        session = self.endpoint.session
        assert (session is not None) == self.is_up
        if session is not None:
            parcels = waiting_parcels(session) if isinstance(session, Session) else []
            assert queued(session) - len(parcels) < MOST_QUEUED
            assert sum(map(len, parcels)) <= TOTAL_BYTES
        when = self.endpoint.next_poll
        assert when is None or when < self.now + 60

    # -- the peer --------------------------------------------------------------------------

    def shake_hands(self) -> None:
        """A peer begins a session, with whatever nonce the endpoint has now."""
        self.peer_nonce += 1
        self.sequence = 0
        self.deliver(self.hello(self.peer_nonce, self.endpoint._handshake.nonce))

    def hello(self, nonce: int, echo: int) -> bytes:
        """A hello of the other role."""
        offer = Offer(STREAMS, WINDOW, features=self.peer_features)
        return Hello(Role(1 - self.role), nonce, echo, offer).encode()

    def frame(self, frame_id: int, payload: bytes) -> bytes:
        """A frame with the right check, if a session stands."""
        check = CHECK.pack(epoch_of(self.peer_nonce, self.endpoint._handshake.nonce), self.sequence)
        self.sequence += 1
        return HEADER.pack(frame_id, len(payload) + CHECK.size) + payload + check

    def message(self, payload: bytes) -> bytes:
        """The same for a control message."""
        return self.frame(CONTROL_ID, payload)

    # -- the daemon ------------------------------------------------------------------------

    def _handle(self, events: Iterable[SessionEvent]) -> None:
        for event in events:
            self._on(event)

    def _on(self, event: SessionEvent) -> None:
        assert self.is_up or isinstance(event, (SessionUp, Notice)), "there is no session"
        match event:
            case SessionUp():
                assert not self.is_up
                assert not self.accounts
                self.is_up = True
            case SessionLost():
                self.is_up = False
                self.accounts.clear()
            case Opened(stream, _, listens):
                assert not self._is_ours(stream)
                assert stream not in self.accounts, "the same stream opened twice"
                self.accounts[stream] = Account(owes_answer=True, place_due=listens)
            case ListeningAt(stream, _):
                account = self.accounts[stream]
                assert account.place_due, "told twice, or nobody has asked"
                assert not account.answered
                account.place_due = False
            case Answered(stream, reply, _):
                account = self.accounts[stream]
                assert not account.answered, "answered twice"
                assert reply or not account.place_due
                account.answered = True
            case ParcelCame(parcel):
                self._answer(parcel)
            case Data(stream, data):
                account = self.accounts[stream]
                account.held += len(data)
                assert account.answered
                assert not account.over, "data after the end"
                assert 0 < account.held <= self._window, "more than was promised"
            case Ended(stream):
                account = self.accounts[stream]
                assert not account.over, "two ends"
                account.over = True
            case Closed(stream, code):
                account = self.accounts[stream]
                assert not account.closed, "two closes"
                account.over = account.closed = True
                if code == CloseCode.TIMEOUT:
                    self.close(stream, code)

    def _is_ours(self, stream: Stream) -> bool:
        """Whether only we may have opened it."""
        return (stream.id >= FIRST_HOST_ID) is (self.role is Role.HOST)

    def _answer(self, parcel: Parcel) -> None:
        session = self.endpoint.session
        assert isinstance(session, Session), "parcels have no form on the original wire"
        match parcel:
            case Associate(number):
                session.post(Associated(number, 0), self.now)
            case Datagram(number, address, data):
                session.post(Datagram(number, address, data), self.now)
            case Ask(number, _, data):
                session.post(Tell(number, 0, data), self.now)
            case Associated() | Dissociate() | Tell():
                pass

    @property
    def _window(self) -> int:
        """An original peer can't be told how much we take: a packet of any length."""
        return MAX_LENGTH if isinstance(self.endpoint.session, OriginalSession) else WINDOW

    def act(self, action: int, stream: int, size: int) -> None:
        """The daemon does one of the things that it may do, if it can.

        ``stream`` from STREAMS up counts those that the host opens.
        """
        session = self.endpoint.session
        if session is None:
            return
        match action:
            case 0:
                self._open(session)
            case 7:
                session.goodbye("it is late")
            case 8:
                self._open(session, listen=True)
            case 9:
                session.post(Datagram(stream, TARGET, bytes(size)), self.now)
            case _:
                stream_id = stream if stream < STREAMS else FIRST_HOST_ID + stream - STREAMS
                chosen = next((s for s in self.accounts if s.id == stream_id), None)
                if chosen is not None:
                    self._act_on(session, chosen, action, size)

    def _act_on(self, session: AnySession, chosen: Stream, action: int, size: int) -> None:
        account = self.accounts[chosen]
        match action:
            case 1 if account.owes_answer and not account.place_due:
                session.accept(chosen, TARGET if size % 2 else None)
                account.owes_answer = False
            case 2 if account.owes_answer:
                session.refuse(chosen, size % 255 + 1)
                del self.accounts[chosen]
            case 3 if chosen.outbound is None:
                session.send(chosen, memoryview(bytes(size)))
            case 4:
                session.end(chosen)
            case 5:
                self.close(chosen, size % 5)
            case 6:
                passed_on = min(size, account.held)
                account.held -= passed_on
                session.consumed(chosen, passed_on)
            case 10 if account.owes_answer and account.place_due:
                session.listening(chosen, TARGET)
                account.place_due = False

    def _open(self, session: AnySession, *, listen: bool = False) -> None:
        may = Feature.LISTENING if listen else Feature.HOST_STREAMS
        needs_feature = listen or self.role is Role.HOST
        try:
            stream = session.listen(TARGET) if listen else session.open(TARGET)
        except BusyError:
            return
        except NotSupportedError:
            assert needs_feature
            assert may not in session.features
            return
        assert not needs_feature or may in session.features & self.peer_features
        assert stream not in self.accounts
        self.accounts[stream] = Account(answered=not session.confirms_open, place_due=listen)

    def close(self, stream: Stream, code: int) -> None:
        """The daemon is done with a stream."""
        assert self.endpoint.session is not None
        self.endpoint.session.close(stream, code)
        del self.accounts[stream]
