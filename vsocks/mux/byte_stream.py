"""A stream whose bytes somebody here reads and writes, such as the HTTP forwarder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from vsocks.mux.stream import StreamUser
from vsocks.protocol.messages import CloseCode

if TYPE_CHECKING:
    from vsocks.mux.buffers import Share
    from vsocks.mux.link import Link

#: Seconds in which the peer may end a stream that we have ended.
_LINGER: Final = 0.5


class ByteStreamOwner(Protocol):
    """The owner of a byte stream, which is told what happens to it."""

    def on_stream_data(self) -> None:
        """Data has come, or the end: see waiting and has_ended."""

    def on_stream_sent(self) -> None:
        """What was given to send() has left."""

    def on_stream_aborted(self, reason: str) -> None:
        """The stream is over before its time."""


class ByteStream(StreamUser):
    """A stream whose data waits in the ring until it is consumed."""

    def __init__(self, link: Link, pool: Share, owner: ByteStreamOwner) -> None:
        """Raises BusyError if the pool has no buffers."""
        super().__init__(link, pool)
        self._owner: ByteStreamOwner | None = owner
        #: Whether the peer sends no more than what waits.
        self.has_ended = False

    @property
    def waiting(self) -> memoryview:
        """The oldest bytes that wait, as many as are contiguous; valid until consumed()."""
        return self.buffers.inbound.peek()

    @property
    def is_sending(self) -> bool:
        """Whether what was given to send() has not left yet."""
        return self._stream is not None and self._stream.is_sending

    @property
    def is_quiet(self) -> bool:
        """Whether it is open, nothing waits in either direction, and the peer has not ended."""
        return (
            self._stream is not None
            and not self.is_sending
            and not self.has_ended
            and not len(self.buffers.inbound)
        )

    def send(self, data: memoryview) -> None:
        """Send ``data``, not empty, which must not change before on_stream_sent()."""
        if self._stream is not None:
            self.read += len(data)
            self._stream.send(data)

    def end(self) -> None:
        """Send no more."""
        if self._stream is not None:
            self._stream.end()

    def consumed(self, size: int) -> None:
        """Drop the oldest ``size`` bytes: the peer may send as many more."""
        self.buffers.inbound.drop(size)
        self.written += size
        if self._stream is not None:
            self._stream.consumed(size)

    def finish(self) -> None:
        """Close it, by a reset only if the peer doesn't end soon; its owner is told no more."""
        if self._stream is None or self.is_sending:
            self.drop()
            return
        self._owner = None
        self.end()
        self._deadlines.set(self, _LINGER, self._finish)
        self._throw_away()

    def drop(self) -> None:
        """Reset it; its owner is told no more."""
        self._owner = None
        self.abort("it is of no more use")
        self._give_up()

    def _throw_away(self) -> None:
        while size := len(self.waiting):
            self.consumed(size)
        if self.has_ended:
            self._finish()

    def _give_up(self) -> None:
        """The owner keeps the buffers until it drops the stream: it may be writing from them."""
        self._deadlines.clear(self)
        if self._owner is None:
            self._give_back()

    def _finish(self) -> None:
        self._close_stream(CloseCode.DONE)
        self._give_up()

    def on_data(self, data: memoryview) -> None:
        """Data has come."""
        self.buffers.inbound.put(data)
        self._tell()

    def on_end(self) -> None:
        """The peer sends no more."""
        self.has_ended = True
        self._tell()

    def _tell(self) -> None:
        if self._owner is not None:
            self._owner.on_stream_data()
        else:
            self._throw_away()

    def on_sent(self) -> None:
        """What was sent has gone."""
        if self._owner is not None:
            self._owner.on_stream_sent()

    def _on_aborted(self) -> None:
        if self._owner is not None:
            self._owner.on_stream_aborted(self.aborted)
