"""The state of one stream at one side of a session; everything that affects it lives here.

A stream runs from OPEN (or LISTEN) to a CLOSE in each direction. Each side sends exactly one
CLOSE, as its last word, and the slot is free when both are through. An OPEN_RESULT that refuses
is its sender's CLOSE. Between, each direction may END by itself. So a stream has two halves,
what we say and what the peer says:

    sending     ASKED ──accept──> OPEN ──end──> ENDING ──> ENDED
                  │                └───────┬──────┴─────────┘ close
                refuse                     v
                  │               CLOSING ──> RESETTING
                  v                  └─────┬──────┘
               REFUSING ────────────────> CLOSED

    receiving   PLACE_AWAITED ──> AWAITED ──> OPEN ──END──> ENDED
                     └───refusal─────┴──┬───────┴──CLOSE──────┘
                                        v
                                      CLOSED

The daemon that was given a stream owns it until it calls the session's close(): only then
can the slot be taken again, so a late call can't touch the stream of somebody else.
"""

from __future__ import annotations

from enum import IntEnum, auto
from typing import TYPE_CHECKING

from vsocks.protocol.frames import FIRST_HOST_ID

if TYPE_CHECKING:
    from vsocks.address import Target


class Sending(IntEnum):
    """What we may still say; states in -ING wait for their message to leave.

    Below CLOSING the daemon has the stream, from there on only the session.
    """

    #: The peer has opened the stream, and we owe the answer.
    ASKED = auto()
    OPEN = auto()
    #: END goes behind the data that waits.
    ENDING = auto()
    ENDED = auto()
    #: CLOSE with DONE goes behind the data that waits.
    CLOSING = auto()
    #: CLOSE with another code goes at once; what waits is dropped.
    RESETTING = auto()
    #: The OPEN_RESULT that says no goes at once.
    REFUSING = auto()
    #: Our last word has left, or the slot is free.
    CLOSED = auto()


class Receiving(IntEnum):
    """What the peer may still say: before OPEN only its answer, from ENDED on no data."""

    #: We have asked it to listen: it says where, first.
    PLACE_AWAITED = auto()
    #: We have asked it to connect, or it listens: it says how that went, first.
    AWAITED = auto()
    OPEN = auto()
    ENDED = auto()
    #: Its last word has come, or the slot is free.
    CLOSED = auto()


class Stream:
    """One slot of a session. Daemons pass it back to the session's methods and read ``label``."""

    __slots__ = (
        "credit_queued",
        "id",
        "in_turn",
        "listening_at",
        "number",
        "outbound",
        "receive_credit",
        "receiving",
        "refusal",
        "reset_code",
        "send_credit",
        "sending",
        "target",
        "unreported",
    )

    def __init__(self, stream_id: int) -> None:
        self.id = stream_id
        #: Whether the stream stands in the queue for its turn; outlives a use of the slot.
        self.in_turn = False
        self.take(Sending.CLOSED, Receiving.CLOSED, number=0)

    def take(
        self,
        sending: Sending,
        receiving: Receiving,
        *,
        number: int,
        send_credit: int = 0,
        receive_credit: int = 0,
    ) -> None:
        """Make the slot as new, but for its place in the queue."""
        #: Which of the streams that its side has opened in the session, from 1; 0 before any.
        self.number = number
        self.sending = sending
        self.receiving = receiving
        #: Bytes that the peer has promised to take, and that we have.
        self.send_credit = send_credit
        self.receive_credit = receive_credit
        #: Bytes consumed and not yet given back as credit, and whether a CREDIT waits to leave.
        self.unreported = 0
        self.credit_queued = False
        #: Data waiting to be framed; one piece at a time.
        self.outbound: memoryview | None = None
        #: The code of the CLOSE while RESETTING, the reply of RFC 1928 while REFUSING.
        self.reset_code = 0
        self.refusal = 0
        #: Who is to be connected, then the answerer's own address on that connection.
        self.target: Target | None = None
        #: Where we wait for the target of a LISTEN that we answer.
        self.listening_at: Target | None = None

    def __repr__(self) -> str:
        waiting = 0 if self.outbound is None else len(self.outbound)
        return (
            f"<Stream {self.label} id={self.id:#06x} {self.sending.name}/{self.receiving.name} "
            f"credit={self.send_credit}/{self.receive_credit} waiting={waiting}>"
        )

    @property
    def label(self) -> str:
        """A name for people, the same at both ends.

        c17 is the 17th stream that the guest has opened in this session, h3 the third of the host.
        On the original wire an open that met the close of its id's last use counts at one end only.
        """
        return f"{'h' if self.id >= FIRST_HOST_ID else 'c'}{self.number}"

    @property
    def in_use(self) -> bool:
        """Whether the slot is taken: one side at least has not said its last word."""
        return self.sending is not Sending.CLOSED or self.receiving is not Receiving.CLOSED

    @property
    def is_held(self) -> bool:
        """Whether the daemon has it: it was neither closed nor refused yet."""
        return self.sending < Sending.CLOSING

    @property
    def is_answered(self) -> bool:
        """Whether we wait for no answer (any more), so that the peer may speak of the stream."""
        return self.receiving >= Receiving.OPEN

    @property
    def peer_is_done(self) -> bool:
        """Whether no more data can come."""
        return self.receiving >= Receiving.ENDED

    @property
    def has_work(self) -> bool:
        """Whether it could use a turn: data with credit, or a due END or CLOSE behind the data."""
        if self.outbound is not None:
            return self.send_credit > 0
        return self.sending is Sending.ENDING or self.sending is Sending.CLOSING
