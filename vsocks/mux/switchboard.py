"""Who is told what comes out of a session, and through whom is said what goes in.

Between the link, which keeps a session on the channel, and those who use its streams and
parcels. There is one for the life of a daemon; sessions come and go beneath it.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from vsocks.errors import BusyError, SessionLostError
from vsocks.protocol.events import (
    Answered,
    Closed,
    Data,
    Ended,
    ListeningAt,
    Notice,
    Opened,
    ParcelCame,
    SessionEvent,
    SessionLost,
    SessionUp,
)
from vsocks.reply import Reply

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from vsocks.address import Target
    from vsocks.mux.connection import Transmitter
    from vsocks.mux.handlers import PeerHandler, StreamHandler
    from vsocks.protocol.any_session import AnySession
    from vsocks.protocol.endpoint import Endpoint
    from vsocks.protocol.handshake import Feature
    from vsocks.protocol.parcels import Parcel
    from vsocks.protocol.streams import Stream

log = logging.getLogger(__name__)


class Switchboard:
    """The streams and parcels of whatever session stands."""

    def __init__(self, service: PeerHandler) -> None:
        self._service = service
        self._endpoint: Endpoint | None = None
        self._transmitter: Transmitter | None = None
        self._on_flushed: Callable[[], None] = lambda: None
        self._handlers: dict[Stream, StreamHandler] = {}
        self._senders: dict[Stream, asyncio.Future[None]] = {}
        #: Set when a stream has been given room, for a reader that waits (original wire only).
        self.room_made = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._is_up = False
        #: Whether a session stood since the last attach().
        self.was_up = False

    # -- the link's side -------------------------------------------------------------------

    def attach(
        self, endpoint: Endpoint, transmitter: Transmitter, on_flushed: Callable[[], None]
    ) -> None:
        """Work on one opening of the channel; ``on_flushed`` is called after each writing."""
        self._endpoint = endpoint
        self._transmitter = transmitter
        self._on_flushed = on_flushed
        self.was_up = False

    def detach(self, reason: str) -> None:
        """The channel is closed."""
        self._endpoint = self._transmitter = None
        self._on_flushed = lambda: None
        self._lose_all(reason)

    def on_framed(self) -> None:
        """Something has left the endpoint: let those send on who waited for it."""
        self._on_flushed()
        session = self._session
        if session is None:
            return
        for stream in session.drained():
            sender = self._senders.pop(stream, None)
            if sender is not None and not sender.done():
                sender.set_result(None)

    def dispatch(self, events: Iterable[SessionEvent]) -> None:
        """Tell each event to whom it concerns."""
        for event in events:
            match event:
                case Data(stream, data):
                    if (handler := self._handlers.get(stream)) is not None:
                        handler.on_data(data)
                case ParcelCame(parcel):
                    self._service.on_parcel(parcel)
                case Opened(stream, target, listens):
                    self._open_for_peer(stream, target, listens=listens)
                case Answered(stream, reply, bound):
                    if (handler := self._handlers.get(stream)) is not None:
                        handler.on_answer(reply, bound)
                case ListeningAt(stream, bound):
                    if (handler := self._handlers.get(stream)) is not None:
                        handler.on_listening(bound)
                case Ended(stream):
                    if (handler := self._handlers.get(stream)) is not None:
                        handler.on_end()
                case Closed(stream, code):
                    if (handler := self._handlers.get(stream)) is not None:
                        handler.on_close(code)
                case SessionUp(description):
                    self._is_up = self.was_up = True
                    log.info("session up: %s", description)
                case SessionLost(reason):
                    self._lose_all(reason)
                case Notice(text):
                    log.warning("%s", text)

    def _open_for_peer(self, stream: Stream, target: Target, *, listens: bool) -> None:
        session = self._session
        answer = self._service.on_open(stream, target, listens=listens)
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
        self._service.on_lost()

    # -- the session -----------------------------------------------------------------------

    @property
    def _session(self) -> AnySession | None:
        """The session that stands, if one does."""
        return self._endpoint.session if self._endpoint else None

    @property
    def has_session(self) -> bool:
        """Whether a session stands."""
        return self._session is not None

    @property
    def half_closes(self) -> bool:
        """Whether one direction of a stream can end by itself."""
        return self._session is None or self._session.half_closes

    @property
    def confirms_open(self) -> bool:
        """Whether an open will be answered."""
        return self._session is None or self._session.confirms_open

    @property
    def dropped(self) -> int:
        """How many datagrams this session has not sent."""
        return self._session.dropped if self._session else 0

    def require(self, feature: Feature) -> None:
        """Raise BusyError if no session stands, NotSupportedError if it lacks the feature."""
        self._standing().require(feature)

    def goodbye(self, reason: str) -> bool:
        """Tell the peer that the session ends now; False if there is none."""
        session = self._session
        if session is None:
            return False
        session.goodbye(reason)
        self.flush()
        return True

    def _standing(self) -> AnySession:
        session = self._session
        if session is None:
            raise BusyError("no session with the other side stands")
        return session

    def _session_of(self, stream: Stream) -> AnySession | None:
        return self._session if stream in self._handlers else None

    # -- streams and parcels ---------------------------------------------------------------

    def open(self, target: Target, handler: StreamHandler, *, listen: bool = False) -> Stream:
        """Open a stream to ``target``; with ``listen`` one that ``target`` is to connect to.

        Raises BusyError if none is free or no session stands, NotSupportedError if the peer
        can't do that.
        """
        session = self._standing()
        stream = session.listen(target) if listen else session.open(target)
        self._handlers[stream] = handler
        self.flush_soon()
        return stream

    def listening(self, stream: Stream, bound: Target) -> None:
        """Say where the target of a stream can connect to."""
        if (session := self._session_of(stream)) is not None:
            session.listening(stream, bound)
            self.flush_soon()

    def accept(self, stream: Stream, bound: Target | None) -> None:
        """Answer an open: connected."""
        if (session := self._session_of(stream)) is not None:
            session.accept(stream, bound)
            self.flush_soon()

    def refuse(self, stream: Stream, reply: int) -> None:
        """Answer an open: not connected, and why; gives the stream back."""
        if (session := self._session_of(stream)) is not None:
            del self._handlers[stream]
            session.refuse(stream, reply)
            self.flush_soon()

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
            self.flush_soon()

    def close(self, stream: Stream, code: int) -> None:
        """Give the stream back, see Session.close(); its handler hears no more of it."""
        if (session := self._session_of(stream)) is not None:
            del self._handlers[stream]
            self._senders.pop(stream, None)
            session.close(stream, code)
            self.flush_soon()

    def consumed(self, stream: Stream, size: int) -> None:
        """``size`` bytes of the stream have been passed on. Call flush() after a while."""
        if (session := self._session_of(stream)) is not None:
            session.consumed(stream, size)
            self.room_made.set()

    def post(self, parcel: Parcel) -> bool:
        """Send a message that is no stream's, soon or never; False if it was dropped.

        The caller has made sure that the peer has its feature.
        """
        session = self._session
        if session is None or not session.post(parcel, self._loop.time()):
            return False
        self.flush_soon()
        return True

    def flush(self) -> None:
        """Send what is to be sent, as far as the channel takes it now."""
        if self._transmitter is not None:
            self._transmitter.flush()
            self._on_flushed()

    def flush_soon(self) -> None:
        """Send in this turn of the event loop."""
        if self._transmitter is not None:
            self._transmitter.flush_soon()
