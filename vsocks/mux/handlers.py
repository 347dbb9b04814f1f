"""What the users of a session are told, within a turn of the event loop: none may block."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from vsocks.address import Target
    from vsocks.mux.stream import MuxStream
    from vsocks.protocol.parcels import Parcel
    from vsocks.reply import Reply


class StreamHandler(Protocol):
    """The user of one stream."""

    def on_answer(self, reply: int, bound: Target | None) -> None:
        """The peer has answered the open."""

    def on_listening(self, bound: Target) -> None:
        """The peer listens at ``bound`` for the expected target."""

    def on_data(self, data: memoryview) -> None:
        """Data, valid during the call only; call consumed() once it is passed on."""

    def on_sent(self) -> None:
        """What was given to send() has left; its bytes may change."""

    def on_end(self) -> None:
        """The peer sends no more."""

    def on_close(self, code: int) -> None:
        """The peer is done with the stream."""

    def on_lost(self, reason: str) -> None:
        """The session is over, and the stream with it."""


class PeerHandler(Protocol):
    """What a daemon does for its peer."""

    def on_open(self, stream: MuxStream, target: Target, *, listens: bool) -> StreamHandler | Reply:
        """The peer opens a stream; returns who handles it, or why it is refused."""

    def on_parcel(self, parcel: Parcel) -> None:
        """A message that is no stream's; its data is valid during the call only."""

    def on_lost(self) -> None:
        """The session is over, and all that parcels began with it."""
