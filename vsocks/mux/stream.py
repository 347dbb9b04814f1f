"""A stream of the session, as its users have it: the stream itself, and its life in a daemon."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from vsocks.aio.current import reactor
from vsocks.errors import VsocksError
from vsocks.protocol.messages import CloseCode
from vsocks.reply import Reply

if TYPE_CHECKING:
    from collections.abc import Callable

    from vsocks.address import Target
    from vsocks.mux.buffers import Share
    from vsocks.mux.connection import Connection
    from vsocks.mux.handlers import StreamHandler
    from vsocks.mux.link import Link
    from vsocks.protocol.any_session import AnySession
    from vsocks.protocol.streams import Stream

    #: Takes the peer's reply to an open, and its own address on the connection.
    OnAnswer = Callable[[int, Target | None], None]
    OnListening = Callable[[Target], None]


class MuxStream:
    """One stream of the session; once it is closed or lost, nothing that is asked has any effect.

    What it sends leaves at the end of the turn, together with what other streams send in it.
    """

    __slots__ = ("_connection", "_session", "_stream", "handler")

    def __init__(self, connection: Connection, session: AnySession, stream: Stream) -> None:
        #: None once it is closed or lost.
        self._connection: Connection | None = connection
        self._session = session
        self._stream = stream
        #: Who is told what happens to it.
        self.handler: StreamHandler | None = None

    def __repr__(self) -> str:
        state = "open" if self._connection is not None else "over"
        return f"<MuxStream {state} {self._stream!r}>"

    @property
    def label(self) -> str:
        """The name of the connection in the log lines of both sides."""
        return self._stream.label

    @property
    def half_closes(self) -> bool:
        """Whether one direction can end by itself."""
        return self._session.half_closes

    @property
    def confirms_open(self) -> bool:
        """Whether an open is answered."""
        return self._session.confirms_open

    @property
    def is_sending(self) -> bool:
        """Whether what was given to send() is still to leave."""
        return self._connection is not None and self._stream.outbound is not None

    def send(self, data: memoryview) -> None:
        """Send ``data``, which must not change before on_sent(); one piece at a time."""
        if (connection := self._connection) is not None:
            self._session.send(self._stream, data)
            connection.flush_soon()

    def end(self) -> None:
        """Send no more."""
        if (connection := self._connection) is not None:
            self._session.end(self._stream)
            connection.flush_soon()

    def consumed(self, size: int) -> None:
        """``size`` bytes that came have been passed on: the peer may send as many more."""
        if (connection := self._connection) is not None:
            self._session.consumed(self._stream, size)
            connection.on_room()

    def announce(self, bound: Target) -> None:
        """Tell the peer where its target can connect to."""
        if (connection := self._connection) is not None:
            self._session.listening(self._stream, bound)
            connection.flush_soon()

    def accept(self, bound: Target | None) -> None:
        """Tell the peer that its target is connected."""
        if (connection := self._connection) is not None:
            self._session.accept(self._stream, bound)
            connection.flush_soon()

    def refuse(self, reply: int) -> None:
        """Tell the peer why its target isn't connected; this closes the stream."""
        if (connection := self._forgotten()) is not None:
            self._session.refuse(self._stream, reply)
            connection.flush_soon()

    def close(self, code: int) -> None:
        """Close the stream, see Session.close(); its handler is told no more."""
        if (connection := self._forgotten()) is not None:
            self._session.close(self._stream, code)
            connection.flush_soon()

    def lose(self) -> StreamHandler | None:
        """The session is over; returns the handler to tell."""
        self._connection = None
        return self.handler

    def _forgotten(self) -> Connection | None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.forget(self._stream)
        return connection


class StreamUser(ABC):
    """The life of one stream in a daemon, with buffers from the pool; a StreamHandler.

    It begins by open() or adopt(). It ends in order, or is aborted: the peer resets the stream,
    the session is lost, or abort() is called. Then ``_on_aborted`` is called once.
    """

    def __init__(self, link: Link, pool: Share) -> None:
        """Raises BusyError if the pool has no buffers."""
        self._link = link
        self._pool = pool
        self.buffers = pool.take()
        self._holds_buffers = True
        self._deadlines = reactor().deadlines
        self._stream: MuxStream | None = None
        self._on_answer: OnAnswer | None = None
        self._on_listening: OnListening | None = None
        #: Its name in log lines, where it goes, and when that was asked for, by the loop's clock.
        self.label = ""
        self.target: Target | None = None
        self.began = 0.0
        #: For people: what its client speaks; empty if it is the peer's.
        self.protocol = ""
        #: Bytes that have come from this side, and that this side has taken.
        self.read = 0
        self.written = 0
        #: Why it ended before its time; empty if it didn't.
        self.aborted = ""

    def __repr__(self) -> str:
        state = f"aborted: {self.aborted}" if self.aborted else repr(self._stream)
        return f"<{type(self).__name__} {state}>"

    # -- before there is a connection ------------------------------------------------------

    def open(
        self,
        target: Target,
        timeout: float,
        on_answer: OnAnswer,
        on_listening: OnListening | None = None,
    ) -> None:
        """Open a stream to ``target``; ``on_answer`` gets the peer's answer, once.

        With ``on_listening`` the target is to connect to the peer: that is called first, with the
        address. After ``timeout`` seconds the answer is a general failure. Raises BusyError if
        there is no session or no free stream, NotSupportedError if the peer is too old.
        """
        self._on_answer, self._on_listening = on_answer, on_listening
        try:
            self.adopt(self._link.open(target, self, listen=on_listening is not None), target)
        except VsocksError:
            self._give_up()
            raise
        if self._stream is not None and not self._stream.confirms_open:
            self.on_answer(Reply.SUCCEEDED, None)
        else:
            self.answer_within(timeout)

    def answer_within(self, timeout: float) -> None:
        """Wait so many seconds for the answer, from now on."""
        self._deadlines.set(self, timeout, self._on_no_answer)

    def adopt(self, stream: MuxStream, target: Target) -> None:
        """Take over a stream to ``target``, as its handler."""
        self._stream = stream
        self.label = stream.label
        self.target = target
        self.began = reactor().loop.time()

    @property
    def is_answered(self) -> bool:
        """Whether no answer of the peer's is waited for (any more)."""
        return self._on_answer is None

    def announce(self, bound: Target) -> None:
        """Tell the peer where its target can connect to."""
        if self._stream is not None:
            self._stream.announce(bound)

    def accept(self, bound: Target | None) -> None:
        """Tell the peer that its target is connected."""
        if self._stream is not None:
            self._stream.accept(bound)

    def refuse(self, reply: Reply) -> None:
        """Tell the peer why its target isn't connected, and end."""
        if self._stream is not None:
            self._stream.refuse(reply)
            self._stream = None
        self._give_up()

    def _on_no_answer(self) -> None:
        self.on_answer(Reply.GENERAL_FAILURE, None)

    # -- what is told ----------------------------------------------------------------------

    def on_answer(self, reply: int, bound: Target | None) -> None:
        """The peer has answered; after a refusal it is over."""
        self._deadlines.clear(self)
        told, self._on_answer = self._on_answer, None
        if reply:
            self._close_stream(CloseCode.RESET)
            self._give_up()
        if told is not None:
            told(reply, bound)

    def on_listening(self, bound: Target) -> None:
        """The peer listens."""
        told, self._on_listening = self._on_listening, None
        if told is not None:
            told(bound)

    @abstractmethod
    def on_data(self, data: memoryview) -> None:
        """Data has come."""

    @abstractmethod
    def on_sent(self) -> None:
        """What was sent has left."""

    @abstractmethod
    def on_end(self) -> None:
        """The peer sends no more."""

    def on_close(self, code: int) -> None:
        """The peer is done with the stream."""
        if code == CloseCode.DONE:
            self.on_end()
        else:
            self.abort("the peer reset the stream")

    def on_lost(self, reason: str) -> None:
        """The session is over."""
        self._stream = None
        self.abort(f"session lost: {reason}")

    # -- endings ---------------------------------------------------------------------------

    def abort(self, reason: str, code: CloseCode = CloseCode.RESET) -> None:
        """End it before its time."""
        if self.aborted:
            return
        self.aborted = reason
        self._on_answer = self._on_listening = None
        self._close_stream(code)
        self._give_up()
        self._on_aborted()

    @abstractmethod
    def _on_aborted(self) -> None:
        """It was aborted, and everything it held is released."""

    def _give_up(self) -> None:
        """Release everything but the stream; may be called again."""
        self._deadlines.clear(self)
        self._give_back()

    def _give_back(self) -> None:
        """Return the buffers, once."""
        if self._holds_buffers:
            self._holds_buffers = False
            self._link.count(self.read, self.written)
            self._pool.give_back(self.buffers)

    def _close_stream(self, code: CloseCode) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.close(code)
