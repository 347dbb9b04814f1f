"""The slots of a session: which stream has which id, who may open it, and what it may be now."""

from __future__ import annotations

from heapq import heappop, heappush

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
        #: Ids of free slots for streams that we open, as a heap: the lowest is taken first.
        self._free = list(guests if role is Role.GUEST else hosts)
        self._count_own = len(self._free)
        #: How many streams we have opened so far, and the peer.
        self._opened = 0
        self._opened_by_peer = 0

    def __repr__(self) -> str:
        used = sum(stream.in_use for stream in self._streams.values())
        return f"<StreamTable {used} of {len(self._streams)} in use>"

    def take_own(self, first: Receiving = Receiving.AWAITED) -> Stream:
        """A free slot for a stream that we open; raises BusyError if all are taken.

        ``first`` is what the peer has to say first.
        """
        if not self._free:
            raise BusyError(f"all {self._count_own} streams are taken")
        stream = self._streams[heappop(self._free)]
        self._opened += 1
        return self._take(stream, Sending.OPEN, first, self._opened)

    def take_peers(self, stream_id: int) -> Stream:
        """The slot of a stream that the peer opens; raises ProtocolError if it may not."""
        stream = self._streams.get(stream_id)
        if stream is None:
            raise ProtocolError(f"stream {stream_id} opened; there are {self.count}")
        if self.is_ours(stream):
            raise ProtocolError(f"stream {stream_id} opened, but that is for us to do")
        if stream.in_use:
            raise ProtocolError(f"stream {stream_id} opened while it is in use")
        self._opened_by_peer += 1
        return self._take(stream, Sending.ASKED, Receiving.OPEN, self._opened_by_peer)

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

    def last_word_sent(self, stream: Stream) -> None:
        """Our CLOSE, or our refusal, has left."""
        stream.sending = Sending.CLOSED
        self._free_if_through(stream)

    def last_word_received(self, stream: Stream) -> None:
        """The peer's CLOSE, or its refusal, has come."""
        stream.receiving = Receiving.CLOSED
        self._free_if_through(stream)

    def _free_if_through(self, stream: Stream) -> None:
        if self.is_ours(stream) and not stream.in_use:
            heappush(self._free, stream.id)

    def _take(self, stream: Stream, sending: Sending, receiving: Receiving, number: int) -> Stream:
        stream.take(
            sending,
            receiving,
            number=number,
            send_credit=self._peer_window,
            receive_credit=self._window,
        )
        return stream
