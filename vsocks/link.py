"""One channel <-> one session: opening, reading, writing, time, and beginning again.

The link owns the channel. It puts what comes out of it through the endpoint and tells the
handlers of the streams; it never waits for one of them.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Final, Protocol

from vsocks.endpoint import Endpoint, EndpointConfig
from vsocks.errors import BusyError, SessionLostError
from vsocks.events import (
    Answered,
    Closed,
    Data,
    Ended,
    Event,
    Notice,
    Opened,
    SessionLost,
    SessionUp,
)
from vsocks.reply import Reply
from vsocks.tasks import run_until_first_ends
from vsocks.transmitter import STAGING_SIZE, Transmitter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from vsocks.address import Target
    from vsocks.channel import Channel, ChannelSource
    from vsocks.original import OriginalSession
    from vsocks.session import Session
    from vsocks.streams import Stream

    AnySession = Session | OriginalSession

log = logging.getLogger(__name__)

#: Seconds between the attempts to open the channel.
_FIRST_RETRY: Final = 0.1
_LAST_RETRY: Final = 0.5
#: Seconds that a goodbye may take.
_GOODBYE_TIMEOUT: Final = 0.5
#: Seconds between looks at a stalled stream (original wire only).
_STALL_CHECK: Final = 0.5


class StreamHandler(Protocol):
    """Who deals with one stream. Called from the link's reader: must not wait."""

    def on_answer(self, reply: int, bound: Target | None) -> None:
        """The host has answered the open."""

    def on_data(self, data: memoryview) -> None:
        """Data, valid during the call only; to be reported by consumed() when passed on."""

    def on_end(self) -> None:
        """The peer sends no more."""

    def on_close(self, code: int) -> None:
        """The peer is done with the stream."""

    def on_lost(self, reason: str) -> None:
        """The session is over, and with it the stream."""


class Link:
    """Keeps a session with the daemon at the other end of the channel."""

    def __init__(
        self,
        source: ChannelSource,
        config: EndpointConfig,
        on_open: Callable[[Stream, Target], StreamHandler | Reply],
    ) -> None:
        """``on_open`` deals with what the peer opens, or says why not."""
        self._source = source
        self._config = config
        self._on_open = on_open
        self._endpoint: Endpoint | None = None
        self._handlers: dict[Stream, StreamHandler] = {}
        self._senders: dict[Stream, asyncio.Future[None]] = {}
        self._staging = memoryview(bytearray(STAGING_SIZE))
        self._transmitter: Transmitter | None = None
        self._room_made = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._is_up = False
        #: Whether a session stood during this opening of the channel.
        self._was_up = False
        self._is_ending = False
        self._loop = asyncio.get_running_loop()

    # -- streams ---------------------------------------------------------------------------

    @property
    def _session(self) -> AnySession | None:
        """The session that stands, if one does."""
        return self._endpoint.session if self._endpoint else None

    @property
    def half_closes(self) -> bool:
        """Whether one direction of a stream can end by itself."""
        return self._session is None or self._session.half_closes

    @property
    def confirms_open(self) -> bool:
        """Whether an open will be answered."""
        return self._session is None or self._session.confirms_open

    def open(self, target: Target, handler: StreamHandler) -> Stream:
        """Open a stream to ``target``; raises BusyError if none is free or no session stands."""
        session = self._session
        if session is None:
            raise BusyError("no session with the host stands")
        stream = session.open(target)
        self._handlers[stream] = handler
        self._flush_soon()
        return stream

    def accept(self, stream: Stream, bound: Target | None) -> None:
        """Answer an open: connected."""
        if (session := self._session_of(stream)) is not None:
            session.accept(stream, bound)
            self._flush_soon()

    def refuse(self, stream: Stream, reply: int) -> None:
        """Answer an open: not connected, and why; gives the stream back."""
        if (session := self._session_of(stream)) is not None:
            del self._handlers[stream]
            session.refuse(stream, reply)
            self._flush_soon()

    async def send(self, stream: Stream, data: memoryview) -> None:
        """Send ``data``; returns when the bytes may be changed.

        Raises SessionLostError if the session ends before.
        """
        session = self._session_of(stream)
        if session is None:
            raise SessionLostError("the session is over")
        session.send(stream, data)
        self.flush()
        if stream.outbound is not None:
            sender = self._senders[stream] = self._loop.create_future()
            await sender
            if stream not in self._handlers:
                raise SessionLostError("the session is over")

    def end(self, stream: Stream) -> None:
        """Send no more."""
        if (session := self._session_of(stream)) is not None:
            session.end(stream)
            self._flush_soon()

    def close(self, stream: Stream, code: int) -> None:
        """Give the stream back, see Session.close(); its handler hears no more of it."""
        if (session := self._session_of(stream)) is not None:
            del self._handlers[stream]
            self._senders.pop(stream, None)
            session.close(stream, code)
            self._flush_soon()

    def consumed(self, stream: Stream, size: int) -> None:
        """``size`` bytes of the stream have been passed on. Call flush() after a while."""
        if (session := self._session_of(stream)) is not None:
            session.consumed(stream, size)
            self._room_made.set()

    def flush(self) -> None:
        """Send what is to be sent, as far as the channel takes it now."""
        if self._transmitter is not None:
            self._transmitter.flush()
            self._arm_timer()

    def _flush_soon(self) -> None:
        if self._transmitter is not None:
            self._transmitter.flush_soon()

    def _session_of(self, stream: Stream) -> AnySession | None:
        return self._session if stream in self._handlers else None

    def _on_framed(self) -> None:
        """Something has left the endpoint: let those send on who waited for it."""
        self._arm_timer()
        session = self._session
        if session is None:
            return
        for stream in session.drained():
            sender = self._senders.pop(stream, None)
            if sender is not None and not sender.done():
                sender.set_result(None)

    # -- the channel -----------------------------------------------------------------------

    async def run(self) -> None:
        """Keep the channel open and a session on it, until cancelled."""
        level, last_reason = logging.INFO, ""
        try:
            while True:
                log.log(level, "waiting for the channel %s", self._source.name)
                channel = await self._open()
                log.log(level, "channel open: %s", self._source.name)
                self._was_up = False
                reason = "the daemon ends"
                try:
                    reason = await self._serve(channel)
                finally:
                    self._stop_timer()
                    self._transmitter = self._endpoint = None
                    self._lose_all(reason)
                    await channel.close()
                # A channel that ends again and again before any session is told of once.
                in_vain = not self._was_up and reason == last_reason
                level, last_reason = logging.DEBUG if in_vain else logging.INFO, reason
                log.log(level, "channel closed: %s", reason)
                if not self._was_up:
                    await asyncio.sleep(_LAST_RETRY if in_vain else _FIRST_RETRY)
        finally:
            await self._source.close()

    async def goodbye(self) -> None:
        """Tell the peer that we end, if a session stands and the channel takes it soon."""
        session = self._session
        if session is None or self._transmitter is None:
            return
        self._is_ending = True
        session.goodbye("it is shutting down")
        self.flush()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_GOODBYE_TIMEOUT):
                await self._transmitter.idle()

    async def _open(self) -> Channel:
        delay = _FIRST_RETRY
        last_problem = ""
        while True:
            try:
                return await self._source.open()
            except OSError as error:
                problem = _problem(error)
            if problem != last_problem:
                log.info("the channel isn't there yet: %s", problem)
                last_problem = problem
            await asyncio.sleep(delay)
            delay = min(_LAST_RETRY, delay * 2)

    async def _serve(self, channel: Channel) -> str:
        """Run one opening of the channel to its end; returns why it ended."""
        offer = self._config.offer
        offer = replace(offer, max_frame=min(offer.max_frame, self._source.max_frame))
        config = replace(self._config, offer=offer)
        endpoint = self._endpoint = Endpoint(config, self._loop.time())
        self._transmitter = Transmitter(channel, endpoint, self._staging, self._on_framed)
        self._dispatch(endpoint.start())
        self.flush()
        try:
            await run_until_first_ends(self._read(channel, endpoint), self._transmitter.run())
        except OSError as error:
            return _problem(error)
        return "it ended"

    async def _read(self, channel: Channel, endpoint: Endpoint) -> None:
        while size := await channel.read_into(endpoint.buffer()):
            if self._is_ending:
                continue  # the peer has begun a handshake with whoever comes after us
            self._dispatch(endpoint.received(size, self._loop.time()))
            self.flush()
            while endpoint.is_stalled:
                await self._wait_for_room()
                self._dispatch(endpoint.received(0, self._loop.time()))
                self.flush()
        raise ConnectionResetError(errno.ECONNRESET, "the other end of the channel has gone")

    async def _wait_for_room(self) -> None:
        self._room_made.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_STALL_CHECK):
                await self._room_made.wait()

    # -- events ----------------------------------------------------------------------------

    def _dispatch(self, events: Iterable[Event]) -> None:
        for event in events:
            match event:
                case Data(stream, data):
                    if (handler := self._handlers.get(stream)) is not None:
                        handler.on_data(data)
                case Opened(stream, target):
                    self._open_for_peer(stream, target)
                case Answered(stream, reply, bound):
                    if (handler := self._handlers.get(stream)) is not None:
                        handler.on_answer(reply, bound)
                case Ended(stream):
                    if (handler := self._handlers.get(stream)) is not None:
                        handler.on_end()
                case Closed(stream, code):
                    if (handler := self._handlers.get(stream)) is not None:
                        handler.on_close(code)
                case SessionUp(description):
                    self._is_up = self._was_up = True
                    log.info("session up: %s", description)
                case SessionLost(reason):
                    self._lose_all(reason)
                case Notice(text):
                    log.warning("%s", text)

    def _open_for_peer(self, stream: Stream, target: Target) -> None:
        session = self._session
        answer = self._on_open(stream, target)
        if not isinstance(answer, Reply):
            self._handlers[stream] = answer
        elif session is not None:
            session.refuse(stream, answer)

    def _lose_all(self, reason: str) -> None:
        """Tell every handler that the session is over."""
        if self._is_up:
            log.info("session lost: %s", reason)
        self._is_up = False
        handlers, self._handlers = self._handlers, {}
        senders, self._senders = self._senders, {}
        for sender in senders.values():
            if not sender.done():
                sender.set_result(None)
        for handler in handlers.values():
            handler.on_lost(reason)

    # -- time ------------------------------------------------------------------------------

    def _arm_timer(self) -> None:
        """Be called when the endpoint asks for it, or earlier: re-arming each time would cost."""
        when = self._endpoint.next_poll if self._endpoint else None
        if when is None or (self._timer is not None and self._timer.when() <= when):
            return
        if self._transmitter and self._transmitter.is_blocked and when <= self._loop.time():
            return  # it is due, and goes as soon as the channel takes bytes again
        self._stop_timer()
        self._timer = self._loop.call_at(when, self._on_time)

    def _on_time(self) -> None:
        self._timer = None
        if self._endpoint is not None:
            self._dispatch(self._endpoint.poll(self._loop.time()))
            self.flush()
            self._arm_timer()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _problem(error: BaseException) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
