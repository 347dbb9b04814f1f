"""What a session is to those who use it, whichever wire it speaks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from vsocks.protocol.messages import CloseCode

if TYPE_CHECKING:
    from collections.abc import Generator

    from vsocks.address import Target
    from vsocks.protocol.events import SessionEvent
    from vsocks.protocol.handshake import Feature
    from vsocks.protocol.parcels import Parcel
    from vsocks.protocol.streams import Stream


@dataclass(frozen=True, slots=True)
class Load:
    """What a session has on its way to the peer; on the original wire nobody knows."""

    #: Bytes that the peer has not acknowledged, and how many there may be.
    unacked: int = 0
    limit: int = 0
    #: Datagrams and questions that wait for their turn.
    parcels: int = 0
    #: Seconds that bytes, or a ping, last took to be acknowledged; None before any were.
    delay: float | None = None


class AnySession(Protocol):
    """The streams and parcels of one session. Session says what each method promises.

    On the original wire, OriginalSession, much of it can't be said: what asks for that raises
    NotSupportedError or does nothing.
    """

    #: How many bytes of the last receive() have been used up.
    taken: int
    #: The peer has repeated its hello because it has not had ours.
    hello_due: bool

    # -- what it is ------------------------------------------------------------------------

    @property
    def confirms_open(self) -> bool:
        """Whether the peer answers an open."""

    @property
    def half_closes(self) -> bool:
        """Whether one direction of a stream can end by itself."""

    @property
    def features(self) -> Feature:
        """What both sides can do."""

    @property
    def max_streams(self) -> int:
        """How many streams each side can have open at once."""

    @property
    def dropped(self) -> int:
        """How many datagrams were not sent: too many, too late or too long."""

    @property
    def load(self) -> Load:
        """What is on its way."""

    def require(self, feature: Feature) -> None:
        """Raise NotSupportedError unless both sides have the feature."""

    # -- what a daemon asks for ------------------------------------------------------------

    def open(self, target: Target) -> Stream:
        """Take a slot and ask the peer to connect it."""

    def listen(self, target: Target) -> Stream:
        """Take a slot and ask the peer to let ``target`` connect to it."""

    def listening(self, stream: Stream, bound: Target) -> None:
        """Tell the peer where its target can connect to."""

    def accept(self, stream: Stream, bound: Target | None) -> None:
        """Tell the peer that the target is connected."""

    def refuse(self, stream: Stream, reply: int) -> None:
        """Tell the peer why not; gives the stream back."""

    def send(self, stream: Stream, data: memoryview) -> None:
        """Queue one piece of data."""

    def end(self, stream: Stream) -> None:
        """Send no more data after what is queued."""

    def close(self, stream: Stream, code: int = CloseCode.DONE) -> None:
        """Give the stream back."""

    def consumed(self, stream: Stream, size: int) -> None:
        """``size`` bytes of the stream have been passed on."""

    def post(self, parcel: Parcel, now: float) -> bool:
        """Send a message that is no stream's; False if it was dropped at once."""

    def goodbye(self, reason: str) -> None:
        """Tell the peer that the session ends now."""

    # -- bytes and time --------------------------------------------------------------------

    @property
    def is_stalled(self) -> bool:
        """Whether receive() waits for room in a stream (original wire only)."""

    def receive(
        self, data: memoryview, now: float, most: int
    ) -> Generator[SessionEvent, None, int]:
        """Parse whole frames in ``data``, ``most`` of them at most; returns how many.

        Raises SessionLostError when that ends the session.
        """

    def write_into(self, out: memoryview, now: float) -> int:
        """Put whole frames into ``out``; returns how many bytes. They count as sent."""

    def drained(self) -> list[Stream]:
        """The streams whose piece of data has left since the last call."""

    @property
    def next_poll(self) -> float | None:
        """When poll() should be called; None while nothing is waited for."""

    def poll(self, now: float) -> None:
        """Let time pass; raises SessionLostError when the peer is silent for too long."""
