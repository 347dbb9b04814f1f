"""A daemon's part in a session, in a test that needs none."""

from __future__ import annotations

from vsocks.address import Target
from vsocks.mux.stream import MuxStream
from vsocks.protocol.parcels import Parcel
from vsocks.reply import Reply


class NoService:
    """Does nothing for its peer."""

    def on_open(self, stream: MuxStream, target: Target, *, listens: bool) -> Reply:
        """Refuse it."""
        return Reply.COMMAND_NOT_SUPPORTED

    def on_parcel(self, parcel: Parcel) -> None:
        """Drop it."""

    def on_lost(self) -> None:
        """Hold nothing that could be lost."""
