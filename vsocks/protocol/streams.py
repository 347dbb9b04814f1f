"""The state of one stream at one side of a session; everything that affects it lives here.

A stream runs from OPEN (or LISTEN) to a CLOSE in each direction. Each side sends exactly one
CLOSE, as its last word, and the slot is free when both are through. An OPEN_RESULT that refuses
is its sender's CLOSE. Between, each direction may END by itself.

The daemon that was given a stream owns it until it calls the session's close(): only then
can the slot be taken again, so a late call can't touch the stream of somebody else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vsocks.protocol.messages import CloseCode

if TYPE_CHECKING:
    from vsocks.address import Target


class Stream:
    """One slot of a session. Daemons pass it back to the session's methods and read ``id``."""

    __slots__ = (
        "awaits_listening",
        "close_received",
        "close_sent",
        "closing",
        "credit_queued",
        "end_received",
        "end_sent",
        "ending",
        "id",
        "in_turn",
        "listening_at",
        "outbound",
        "receive_credit",
        "result_due",
        "result_received",
        "send_credit",
        "taken",
        "target",
        "unreported",
    )

    def __init__(self, stream_id: int) -> None:
        self.id = stream_id
        self.taken = False
        #: Whether the stream stands in the queue for its turn; outlives a use of the slot.
        self.in_turn = False
        self.reset(0, 0)

    def reset(self, send_credit: int, receive_credit: int) -> None:
        """Make the slot as new, but for its place in the queue."""
        #: Bytes that the peer has promised to take, and that we have.
        self.send_credit = send_credit
        self.receive_credit = receive_credit
        #: Bytes consumed and not yet given back as credit.
        self.unreported = 0
        self.credit_queued = False
        #: Data waiting to be framed; one piece at a time.
        self.outbound: memoryview | None = None
        #: An END, and the code of a CLOSE, that were asked for.
        self.ending = False
        self.closing: int | None = None
        self.end_sent = False
        self.end_received = False
        self.close_sent = False
        self.close_received = False
        #: We owe the peer an answer to its open; we have had one to ours.
        self.result_due = False
        self.result_received = False
        #: Who is to be connected, then the answerer's own address on that connection.
        self.target: Target | None = None
        #: Where we wait for the target of a LISTEN that we answer.
        self.listening_at: Target | None = None
        #: A LISTEN of ours that hasn't been told where.
        self.awaits_listening = False

    @property
    def in_use(self) -> bool:
        """Whether the slot is taken: one side at least has not said its last word."""
        return self.taken and not (self.close_sent and self.close_received)

    @property
    def may_send(self) -> bool:
        """Whether data of ours can still be queued."""
        return self.in_use and self.closing is None and not (self.ending or self.end_sent)

    @property
    def peer_is_done(self) -> bool:
        """Whether no more data can come."""
        return self.end_received or self.close_received

    @property
    def has_work(self) -> bool:
        """Whether it could use a turn: data with credit, or a due END or CLOSE behind the data."""
        if not self.in_use:
            return False
        if self.outbound is not None:
            return self.send_credit > 0
        if self.closing is not None:
            return self.closing == CloseCode.DONE and not self.close_sent
        return self.ending
