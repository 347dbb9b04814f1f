"""What the wire tells the daemons. ``data`` is valid only until the next event is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vsocks.address import Target
    from vsocks.protocol.parcels import Parcel
    from vsocks.protocol.streams import Stream


@dataclass(frozen=True, slots=True)
class SessionUp:
    """Both sides have shown that they are there, now: streams can be opened."""

    description: str


@dataclass(frozen=True, slots=True)
class SessionLost:
    """Every stream of the session is gone."""

    reason: str


@dataclass(frozen=True, slots=True)
class Notice:
    """Something a person should read in the log."""

    text: str


@dataclass(frozen=True, slots=True)
class Rejected:
    """No peer of ours is at the other end of the channel: close it."""

    reason: str


@dataclass(frozen=True, slots=True)
class Opened:
    """The peer wants a stream connected to a target: answer with accept() or refuse().

    With ``listens`` it is the target that will connect: say where by listening() first.
    """

    stream: Stream
    target: Target
    listens: bool = False


@dataclass(frozen=True, slots=True)
class Answered:
    """The peer's answer to an open; ``bound`` is its own address on the connection.

    After a listen ``bound`` is the address of who has come.
    """

    stream: Stream
    reply: int
    bound: Target | None


@dataclass(frozen=True, slots=True)
class Data:
    """Bytes of a stream, whole and in order. Account for them with consumed()."""

    stream: Stream
    data: memoryview


@dataclass(frozen=True, slots=True)
class Ended:
    """The peer will send no more data on the stream (half-close)."""

    stream: Stream


@dataclass(frozen=True, slots=True)
class Closed:
    """The peer is done with the stream; any code but DONE is a reset."""

    stream: Stream
    code: int


@dataclass(frozen=True, slots=True)
class ListeningAt:
    """A listen of ours is being done, at this address; Answered follows."""

    stream: Stream
    bound: Target


@dataclass(frozen=True, slots=True)
class ParcelCame:
    """A message that is no stream's. Its data, too, is valid only until the next event."""

    parcel: Parcel


SessionEvent = (
    SessionUp
    | SessionLost
    | Notice
    | Rejected
    | Opened
    | Answered
    | ListeningAt
    | Data
    | Ended
    | Closed
    | ParcelCame
)
