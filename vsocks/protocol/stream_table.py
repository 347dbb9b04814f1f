"""The slots of a session: which stream has which id, who may open it, and what it may be now."""

from __future__ import annotations

from vsocks.errors import BusyError, ProtocolError
from vsocks.protocol.frames import CONTROL_ID, FIRST_HOST_ID
from vsocks.protocol.handshake import Role
from vsocks.protocol.streams import Receiving, Sending, Stream


class StreamTable:
    """Two rows of streams: the guest opens those from 0 up, the host those from 0x8000 up."""

    def __init__(self, role: Role, count: int, *, window: int, peer_window: int) -> None:
        """``count`` is how many each row has, ``window`` what a receiver takes at first."""
        self.count = count
        self._role = role
        self._window = window
        self._peer_window = peer_window
        guests = range(count)
        hosts = range(FIRST_HOST_ID, min(CONTROL_ID, FIRST_HOST_ID + count))
        self._streams = {number: Stream(number) for number in (*guests, *hosts)}
        self._own = [self._streams[n] for n in (guests if role is Role.GUEST else hosts)]

    def take_own(self, first: Receiving = Receiving.AWAITED) -> Stream:
        """A free slot for a stream that we open; raises BusyError if all are taken.

        ``first`` is what the peer has to say first.
        """
        stream = next((stream for stream in self._own if not stream.in_use), None)
        if stream is None:
            raise BusyError(f"all {len(self._own)} streams are taken")
        return self._take(stream, Sending.OPEN, first)

    def take_peers(self, stream_id: int) -> Stream:
        """The slot of a stream that the peer opens; raises ProtocolError if it may not."""
        stream = self._streams.get(stream_id)
        if stream is None:
            raise ProtocolError(f"stream {stream_id} opened; there are {self.count}")
        if self.is_ours(stream):
            raise ProtocolError(f"stream {stream_id} opened, but that is for us to do")
        if stream.in_use:
            raise ProtocolError(f"stream {stream_id} opened while it is in use")
        return self._take(stream, Sending.ASKED, Receiving.OPEN)

    def used(self, stream_id: int) -> Stream:
        """A stream that is in use; raises ProtocolError if it isn't."""
        stream = self._streams.get(stream_id)
        if stream is not None and stream.in_use:
            return stream
        raise ProtocolError(f"a message about stream {stream_id}, which isn't open")

    def live(self, stream_id: int) -> Stream:
        """The stream that the peer may speak about now; raises ProtocolError if it may not."""
        stream = self.used(stream_id)
        if not stream.is_answered:
            raise ProtocolError(f"the peer used stream {stream_id} before it answered")
        return stream

    def is_ours(self, stream: Stream) -> bool:
        """Whether it is for us to open it."""
        return (stream.id >= FIRST_HOST_ID) is (self._role is Role.HOST)

    def _take(self, stream: Stream, sending: Sending, receiving: Receiving) -> Stream:
        stream.take(sending, receiving, send_credit=self._peer_window, receive_credit=self._window)
        return stream
