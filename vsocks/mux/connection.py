"""One opening of the channel: it reads, parses and dispatches, gathers and writes, on one timer.

What comes out of the channel goes through the endpoint to the streams' handlers; nothing here waits
for a stream. What the streams have to send is framed and written at the end of the turn, as far as
the channel takes it, control messages first. While the channel takes nothing, nothing is
framed, so that what is urgent can still go first. All frames are made in one buffer that is used
for nothing else: a write that is still under way can't send bytes of a later session or stream.

A turn reads the channel once and handles a bounded number of frames: whatever the peer sends,
others have their turns, too.
"""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, Final

from vsocks.aio.current import reactor
from vsocks.errors import BusyError, describe
from vsocks.mux.stream import MuxStream
from vsocks.protocol.endpoint import MAX_OUTPUT, QUIET, Wire
from vsocks.protocol.events import (
    Answered,
    Closed,
    Data,
    Ended,
    ListeningAt,
    Notice,
    Opened,
    ParcelCame,
    Rejected,
    SessionLost,
    SessionUp,
)
from vsocks.reply import Reply

if TYPE_CHECKING:
    from collections.abc import Iterable

    from vsocks.address import Target
    from vsocks.channel import Channel
    from vsocks.mux.handlers import PeerHandler, StreamHandler
    from vsocks.mux.machine_log import Log
    from vsocks.mux.trace import Trace
    from vsocks.protocol.any_session import AnySession
    from vsocks.protocol.endpoint import Endpoint
    from vsocks.protocol.events import SessionEvent
    from vsocks.protocol.streams import Stream

#: Bytes framed at once.
STAGING_SIZE: Final = 256 * 1024
assert STAGING_SIZE >= MAX_OUTPUT
#: Seconds between looks at a stalled stream (original wire only).
_STALL_CHECK: Final = 0.5
#: Seconds from which on a timer may be late, and the ticks to which it is put off: many idle
#: connections are looked after in one turn, not in one each.
_PATIENT: Final = 0.5
_TICK: Final = 0.25
#: Seconds that the peer's silence is waited for at most.
_LONGEST_WAIT: Final = 1.0
#: Bytes read at once that nobody wants any more.
_DISCARDED: Final = 64 * 1024


class Connection:
    """The session on one opening of a channel, if one stands; a ChannelUser."""

    def __init__(
        self,
        channel: Channel,
        endpoint: Endpoint,
        staging: memoryview,
        peer: PeerHandler,
        trace: Trace | None = None,
        *,
        log: Log,
    ) -> None:
        """The connection uses ``staging`` until its channel is closed."""
        self._channel = channel
        self._endpoint = endpoint
        self._staging = staging
        self._peer = peer
        self._trace = trace
        self._log = log
        self._reactor = reactor()
        self._loop = asyncio.get_running_loop()
        self._streams: dict[Stream, MuxStream] = {}
        self._unsent: memoryview | None = None
        self._flushes = False
        self._timer: asyncio.TimerHandle | None = None
        #: When it comes. (uvloop gives no TimerHandle for a time that is now.)
        self._timer_at = math.inf
        self._awaits_room = False
        #: Where what comes goes once we are ending.
        self._discarded: memoryview | None = None
        self._is_quiet: asyncio.Future[None] | None = None
        self._has_channel = True
        self._is_up = False
        #: Sessions that have stood; what the last one's sides had agreed on, and since when.
        self.sessions = 0
        self.agreed = ""
        self.up_since = 0.0
        #: Done when it is over, with why.
        self.over: asyncio.Future[str] = self._loop.create_future()
        self._written: asyncio.Future[None] | None = None

    def __repr__(self) -> str:
        blocked = f", {len(self._unsent)} B unsent" if self._unsent is not None else ""
        return f"<Connection {self._endpoint!r}, {len(self._streams)} streams{blocked}>"

    @property
    def was_up(self) -> bool:
        """Whether a session has stood."""
        return self.sessions > 0

    @property
    def unsent(self) -> int:
        """Bytes in frames that the channel has not taken."""
        return len(self._unsent) if self._unsent is not None else 0

    def start(self) -> None:
        """Begin the handshake."""
        self._dispatch(self._endpoint.start())
        self._channel.start(self)
        self.flush()

    def detach(self, reason: str) -> None:
        """End: tell all streams. The caller closes the channel."""
        self._stop_timer()
        if not self.over.done():
            self.over.set_result(reason)
            self._tell_written()
            self._lose_all(reason)

    # -- what the channel says -------------------------------------------------------------

    def on_readable(self) -> None:
        """There may be bytes."""
        discarded = self._discarded
        try:
            size = self._channel.read_now(
                self._endpoint.buffer() if discarded is None else discarded
            )
        except OSError as error:
            self.on_failed(error)
            return
        if discarded is not None:
            # The peer begins a handshake with whoever comes after us.
            self._wait_for_quiet()
        elif size is not None:
            self._take(size)

    def on_writable(self) -> None:
        """The channel takes bytes again."""
        if self._unsent is not None:
            self._write(self._unsent)
        if self._unsent is None:
            self.flush()

    def on_failed(self, error: OSError) -> None:
        """The channel is unusable."""
        self._has_channel = False
        self._tell_quiet()
        self.detach(describe(error))

    # -- bytes in --------------------------------------------------------------------------

    def _take(self, size: int) -> None:
        """Handle what has come, as much as one turn may."""
        endpoint = self._endpoint
        if self._trace is not None and size:
            self._trace.read(endpoint.buffer()[:size])
        self._dispatch(endpoint.received(size, self._loop.time()))
        if endpoint.has_more or endpoint.is_stalled:
            self._channel.pause_reading()
            if endpoint.is_stalled:
                self._wait_for_room()
            else:
                self._loop.call_soon(self._go_on)
        self.flush_soon()

    def _go_on(self) -> None:
        """Take another turn with what has been read."""
        if self.over.done():
            return
        self._channel.resume_reading()
        self._take(0)

    def _wait_for_room(self) -> None:
        self._awaits_room = True
        self._reactor.deadlines.set(self, _STALL_CHECK, self._look_for_room)

    def _look_for_room(self) -> None:
        if self._awaits_room:
            self._awaits_room = False
            self._reactor.deadlines.clear(self)
            self._go_on()

    def _dispatch(self, events: Iterable[SessionEvent]) -> None:
        """Pass each event to its handler."""
        try:
            for event in events:
                self._tell(event)
        except Exception:
            # What is left of the session can't be trusted; the next one can.
            self._log.exception("a fault while the session was served")
            self.detach("a fault of this daemon's own")

    def _tell(self, event: SessionEvent) -> None:
        match event:
            case Data(stream, data):
                if (handler := self._handler(stream)) is not None:
                    handler.on_data(data)
            case ParcelCame(parcel):
                self._peer.on_parcel(parcel)
            case Opened(stream, target, listens):
                self._open_for_peer(stream, target, listens=listens)
            case Answered(stream, reply, bound):
                if (handler := self._handler(stream)) is not None:
                    handler.on_answer(reply, bound)
            case Ended(stream):
                if (handler := self._handler(stream)) is not None:
                    handler.on_end()
            case Closed(stream, code):
                if (handler := self._handler(stream)) is not None:
                    handler.on_close(code)
            case ListeningAt(stream, bound):
                if (handler := self._handler(stream)) is not None:
                    handler.on_listening(bound)
            case SessionUp(description):
                self._is_up = True
                self.sessions += 1
                self.agreed, self.up_since = description, self._loop.time()
                self._log.info("session up: %s", description)
                self._channel.session_up()
                if self._trace is not None and not self.session.confirms_open:
                    self._trace.begin(Wire.ORIGINAL)
            case SessionLost(reason):
                self._channel.session_lost()
                self._lose_all(reason)
            case Notice(text):
                self._log.warning("%s", text)
            case Rejected(reason):
                self.detach(reason)

    def _handler(self, stream: Stream) -> StreamHandler | None:
        held = self._streams.get(stream)
        return held.handler if held is not None else None

    def _open_for_peer(self, stream: Stream, target: Target, *, listens: bool) -> None:
        held = self._streams[stream] = MuxStream(self, self.session, stream)
        answer = self._peer.on_open(held, target, listens=listens)
        if isinstance(answer, Reply):
            held.refuse(answer)
        else:
            held.handler = answer

    def _lose_all(self, reason: str) -> None:
        """Tell all handlers that the session is over."""
        if self._is_up:
            self._log.info("session lost: %s", reason)
        self._is_up = False
        streams, self._streams = self._streams, {}
        for held in streams.values():
            if (handler := held.lose()) is not None:
                handler.on_lost(reason)
        self._peer.on_lost()

    # -- the session -----------------------------------------------------------------------

    @property
    def standing(self) -> AnySession | None:
        """The session that stands, if one does; none once the connection is over.

        The endpoint isn't told that its channel has gone.
        """
        return None if self.over.done() else self._endpoint.session

    @property
    def session(self) -> AnySession:
        """The session that stands; raises BusyError if none does."""
        session = self.standing
        if session is None:
            raise BusyError("no session with the other side stands")
        return session

    @property
    def handlers(self) -> list[StreamHandler]:
        """The users of all streams, in the order of their begin."""
        handlers = (held.handler for held in self._streams.values())
        return [handler for handler in handlers if handler is not None]

    def open(self, target: Target, handler: StreamHandler, *, listen: bool) -> MuxStream:
        """Open a stream, see Session.open() and listen()."""
        session = self.session
        stream = session.listen(target) if listen else session.open(target)
        held = self._streams[stream] = MuxStream(self, session, stream)
        held.handler = handler
        self.flush_soon()
        return held

    def forget(self, stream: Stream) -> None:
        """Dispatch no more events of that stream."""
        del self._streams[stream]

    def on_room(self) -> None:
        """A stream has room again, for which reading may have waited."""
        if self._awaits_room:
            self._loop.call_soon(self._look_for_room)
        self.flush_soon()

    async def goodbye(self, reason: str) -> None:
        """Tell the peer that the session ends, if one stands; waits until that is written."""
        session = self.standing
        if session is None:
            return
        session.goodbye(reason)
        self.flush()
        self._discarded = memoryview(bytearray(_DISCARDED))
        while self._unsent is not None and not self.over.done():
            self._written = self._loop.create_future()
            await self._written

    async def discard(self) -> None:
        """Read and throw away what comes after detach(), until nothing does for a moment.

        The write of a guest's that QEMU has in its hands when the host's end is closed is never
        returned to the guest (hw/char/virtio-serial-bus.c, discard_throttle_data).
        """
        if not self._has_channel:
            return
        self._discarded = memoryview(bytearray(_DISCARDED))
        self._is_quiet = self._loop.create_future()
        self._wait_for_quiet()
        self._channel.resume_reading()
        try:
            async with asyncio.timeout(_LONGEST_WAIT):
                await self._is_quiet
        except TimeoutError:
            self._log.debug("the other side goes on sending; the channel is closed all the same")
        finally:
            self._reactor.deadlines.clear(self)

    def _wait_for_quiet(self) -> None:
        if self._is_quiet is not None:
            self._reactor.deadlines.set(self, QUIET, self._tell_quiet)

    def _tell_quiet(self) -> None:
        if self._is_quiet is not None and not self._is_quiet.done():
            self._is_quiet.set_result(None)

    # -- bytes out -------------------------------------------------------------------------

    def flush_soon(self) -> None:
        """Flush at the end of this turn, together with what others send in it.

        A write wakes the peer, which costs far more than the bytes of a control message.
        """
        if not self._flushes:
            self._flushes = True
            self._reactor.at_end_of_turn(self.flush)

    def flush(self) -> None:
        """Write what is due, as far as the channel takes it now."""
        self._flushes = False
        while self._unsent is None and not self.over.done():
            size = self._endpoint.write_into(self._staging, self._loop.time())
            if not size:
                break
            if self._trace is not None:
                self._trace.written(self._staging[:size])
            self._write(self._staging[:size])
            if not self._tell_sent() and size < len(self._staging) // 2:
                break  # there was room for all that was due
        self._arm_timer()

    def _write(self, data: memoryview) -> None:
        try:
            written = self._channel.write_now(data)
        except OSError as error:
            # Not at once: whoever has sent need not expect to be lost by that.
            self._loop.call_soon(self._read_last, describe(error))
            self._unsent = data
            return
        self._unsent = data[written:] if written < len(data) else None
        if self._unsent is None:
            self._tell_written()

    def _tell_written(self) -> None:
        if self._written is not None and not self._written.done():
            self._written.set_result(None)

    def _read_last(self, reason: str) -> None:
        """Writing has failed; what the peer said before that, a goodbye for example, counts."""
        if not self.over.done():
            self.on_readable()
        self._has_channel = False
        self.detach(reason)

    def _tell_sent(self) -> bool:
        """Tell the streams whose data has left; whether there are any, which may have more."""
        session = self.standing
        if session is None:
            return False
        drained = session.drained()
        for stream in drained:
            if (handler := self._handler(stream)) is not None:
                handler.on_sent()
        return bool(drained)

    # -- time ------------------------------------------------------------------------------

    def _arm_timer(self) -> None:
        """Have the timer fire when the endpoint asks, or earlier: re-arming it costs."""
        when = self._endpoint.next_poll
        if when is None or self._timer_at <= when:
            return
        if self.over.done() or (self._unsent is not None and when <= self._loop.time()):
            return  # it is due, and goes as soon as the channel takes bytes again
        self._stop_timer()
        if when - self._loop.time() >= _PATIENT:
            when = math.ceil(when / _TICK) * _TICK
        self._timer, self._timer_at = self._loop.call_at(when, self._on_time), when

    def _on_time(self) -> None:
        self._timer, self._timer_at = None, math.inf
        self._dispatch(self._endpoint.poll(self._loop.time()))
        self.flush()

    def _stop_timer(self) -> None:
        self._reactor.deadlines.clear(self)
        if self._timer is not None:
            self._timer.cancel()
            self._timer, self._timer_at = None, math.inf
