"""An endpoint under test, and a daemon on it that believes nothing it is told.

The daemon keeps its own account of every stream, and asserts that what the endpoint tells it
is possible: no data before an open or after an end, never more than one window of it, nothing
of a session that is over.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass

from tests.unit.peer import queued
from vsocks.address import Target
from vsocks.endpoint import MAX_OUTPUT, Endpoint, EndpointConfig, Wire
from vsocks.errors import BusyError
from vsocks.events import (
    Answered,
    Closed,
    Data,
    Ended,
    Event,
    Notice,
    Opened,
    SessionLost,
    SessionUp,
)
from vsocks.frames import CHECK, CONTROL_ID, HEADER, MAX_LENGTH, epoch_of
from vsocks.handshake import Hello, Offer, Role
from vsocks.messages import CloseCode
from vsocks.original import STALL_TIMEOUT, OriginalSession
from vsocks.session import Session
from vsocks.streams import Stream

STREAMS = 4
WINDOW = 2048
TARGET = Target("example.com", 80)
THEIRS = 0x2222222222222222
#: The daemon does one of so many things.
ACTIONS = 8
OUTPUT = memoryview(bytearray(MAX_OUTPUT + 0xFFFF))
#: Queues hold at most a few entries a stream; an endpoint has a queue or two of each kind.
MOST_QUEUED = 40 * STREAMS


@dataclass
class Account:
    """What the daemon knows of one stream."""

    #: The guest has had the host's answer; the host owes one.
    answered: bool = True
    owes_answer: bool = False
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
            self._handle(self.endpoint.received(size, self.now))
            self.check()

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
        self._handle(self.endpoint.received(0, self.now))
        self.check()

    def check(self) -> None:
        """The bounds that hold at any time."""
        session = self.endpoint.session
        assert (session is not None) == self.is_up
        if session is not None:
            assert queued(session) < MOST_QUEUED
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
        return Hello(Role(1 - self.role), nonce, echo, Offer(STREAMS, WINDOW)).encode()

    def frame(self, frame_id: int, payload: bytes) -> bytes:
        """A frame with the right check, if a session stands."""
        check = CHECK.pack(epoch_of(self.peer_nonce, self.endpoint._handshake.nonce), self.sequence)
        self.sequence += 1
        return HEADER.pack(frame_id, len(payload) + CHECK.size) + payload + check

    def message(self, payload: bytes) -> bytes:
        """The same for a control message."""
        return self.frame(CONTROL_ID, payload)

    # -- the daemon ------------------------------------------------------------------------

    def _handle(self, events: Iterable[Event]) -> None:
        for event in events:
            self._on(event)

    def _on(self, event: Event) -> None:
        assert self.is_up or isinstance(event, (SessionUp, Notice)), "there is no session"
        match event:
            case SessionUp():
                assert not self.is_up
                assert not self.accounts
                self.is_up = True
            case SessionLost():
                self.is_up = False
                self.accounts.clear()
            case Opened(stream, _):
                assert self.role is Role.HOST
                assert stream not in self.accounts, "the same stream opened twice"
                self.accounts[stream] = Account(owes_answer=True)
            case Answered(stream, _, _):
                account = self.accounts[stream]
                assert not account.answered, "answered twice"
                account.answered = True
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

    @property
    def _window(self) -> int:
        """An original peer can't be told how much we take: a packet of any length."""
        return MAX_LENGTH if isinstance(self.endpoint.session, OriginalSession) else WINDOW

    def act(self, action: int, stream: int, size: int) -> None:
        """The daemon does one of the things that it may do, if it can."""
        session = self.endpoint.session
        if session is None:
            return
        if action == 0 and self.role is Role.GUEST:
            self._open(session)
        if action == 7:
            session.goodbye("it is late")
        chosen = next((s for s in self.accounts if s.id == stream), None)
        if chosen is None:
            return
        account = self.accounts[chosen]
        match action:
            case 1 if account.owes_answer:
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

    def _open(self, session: Session | OriginalSession) -> None:
        with contextlib.suppress(BusyError):
            stream = session.open(TARGET)
            assert stream not in self.accounts
            self.accounts[stream] = Account(answered=not session.confirms_open)

    def close(self, stream: Stream, code: int) -> None:
        """The daemon is done with a stream."""
        assert self.endpoint.session is not None
        self.endpoint.session.close(stream, code)
        del self.accounts[stream]
