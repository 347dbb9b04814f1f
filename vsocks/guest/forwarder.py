"""Forwarding HTTP requests, one after the other on a client's connection.

Each goes to its server on a stream of its own, or on that of the request before, if it is for the
same server and both sides keep their connections alive.

    idle ──serve()──> opening ──answered──> passing on ──complete──> idle
                         └────────┴── failed: the client gets a page, or a reset
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final, Protocol

from vsocks.aio.current import reactor
from vsocks.errors import BusyError, NotSupportedError, describe
from vsocks.guest.client_socket import WaitingClient
from vsocks.http1.errors import HttpError
from vsocks.http1.exchange import Exchange
from vsocks.mux.byte_stream import ByteStream
from vsocks.proxy.pages import exchange_failure, failure_page, status_for
from vsocks.reply import words_for

if TYPE_CHECKING:
    from vsocks.address import Target
    from vsocks.aio.reactor import StreamSocket
    from vsocks.guest.context import ClientContext
    from vsocks.http1.head import RequestHead

log = logging.getLogger(__name__)

#: Bytes up to which to copy is cheaper than to write one more time.
_JOINED_SIZE: Final = 16 * 1024


class ForwarderOwner(Protocol):
    """The owner of the client's socket between requests."""

    def on_forwarded(self, *, client_stays: bool) -> None:
        """A request is complete; what the client has sent since is in the socket."""

    def on_forward_failed(self, page: bytes) -> None:
        """A request has failed: send ``page`` and close, or reset the client if it is empty."""


class Forwarder:
    """Forwards a client's requests; a SocketOwner and a ByteStreamOwner meanwhile."""

    def __init__(
        self,
        socket: StreamSocket,
        buffer: memoryview,
        context: ClientContext,
        owner: ForwarderOwner,
    ) -> None:
        """``buffer`` takes what the client sends while ``socket`` is open."""
        self._socket = socket
        self._buffer = buffer
        self._context = context
        self._owner = owner
        self._deadlines = reactor().deadlines
        #: The connection to the server, and where it goes.
        self._server: ByteStream | None = None
        self._target: Target | None = None
        #: The request that is under way, and whether it goes where one has gone before.
        self._head: RequestHead | None = None
        self._exchange: Exchange | None = None
        self._is_reused = False
        self._waiting: WaitingClient | None = None
        self._client_ended = False
        #: What is being sent to the server, and written to the client.
        self._to_server: list[bytes | memoryview] = []
        self._to_client: list[bytes | memoryview] = []
        #: Of the server's bytes, how many become what is being written.
        self._used = 0
        self._is_writing = False
        #: Of a tunnel: the server has ended, and the client knows.
        self._tunnel_has_ended = False

    def __repr__(self) -> str:
        return f"<Forwarder {self._target} {self._server!r}>"

    @property
    def _label(self) -> str:
        return self._server.label if self._server is not None else "-"

    @property
    def wanted(self) -> str:
        """Where the last request goes, for people."""
        return str(self._target or "")

    def serve(self, head: RequestHead) -> None:
        """Forward a request; the forwarder has the client's socket until its owner is told.

        Raises BusyError or NotSupportedError if there is nothing to serve it with.
        """
        self._head = head
        exchange = Exchange(head, self._context.limits.max_head_size)
        server = self._server
        if server is not None and server.is_quiet and exchange.target == self._target:
            self._begin(exchange, server, reused=True)
        else:
            self._drop_server()
            self._connect(exchange)

    def close(self) -> None:
        """Abandon what is under way, and the connection to the server."""
        self._stop_waiting()
        self._deadlines.clear(self)
        was_under_way, self._exchange = self._exchange is not None, None
        server, self._server = self._server, None
        if server is not None:
            if was_under_way:
                server.drop()
            else:
                server.finish()

    # -- the server's stream ---------------------------------------------------------------

    def _connect(self, exchange: Exchange) -> None:
        context = self._context
        self._target = exchange.target
        self._server = server = ByteStream(context.link, context.pool, self)
        server.protocol = "HTTP"
        self._exchange, self._is_reused = exchange, False
        self._waiting = WaitingClient(
            self._socket, self._buffer, self._on_client_left, has_sent=self._socket.has_unread
        )

        def on_answer(reply: int, _bound: object) -> None:
            self._stop_waiting()
            if reply:
                self._fail(status_for(reply), words_for(reply))
                return
            log.debug("%s %s: connected", server.label, exchange.target)
            self._begin(exchange, server, reused=False)

        try:
            server.open(exchange.target, context.limits.answer, on_answer)
        except (BusyError, NotSupportedError):
            self._stop_waiting()
            self._exchange = None
            self._drop_server()
            raise

    def _begin(self, exchange: Exchange, server: ByteStream, *, reused: bool) -> None:
        """Send the request's head; its body follows as it comes."""
        self._exchange, self._is_reused = exchange, reused
        self._socket.owner = self
        self._client_ended = False
        self._to_server = []
        self._watch()
        server.send(memoryview(exchange.request))

    def _drop_server(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            server.finish()

    def _stop_waiting(self) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting.stop()

    def _on_client_left(self) -> None:
        self._reset("the client has left")

    # -- from the client to the server -----------------------------------------------------

    def on_stream_sent(self) -> None:
        """The server has a piece: send the next one, or read more from the client."""
        server, exchange = self._server, self._exchange
        if server is None or exchange is None:
            return
        if self._to_server:
            server.send(memoryview(self._to_server.pop(0)))
        elif not self._client_ended:
            # When the request is complete, to see whether the client leaves.
            self._socket.read(self._buffer)

    def on_read(self, size: int) -> None:
        """The client has sent something, or ended."""
        server, exchange = self._server, self._exchange
        if server is None or exchange is None:
            return
        if not size:
            self._on_client_end(server, exchange)
            return
        data = self._buffer[:size]
        if exchange.is_request_complete:
            self._socket.push_back(data)
            return
        try:
            pieces, used = exchange.from_client(data)
        except HttpError as error:
            self._fail(error.status, error.reason)
            return
        if used < size:
            self._socket.push_back(data[used:])
        self._watch()
        self._to_server = list(pieces)
        self.on_stream_sent()

    def _on_client_end(self, server: ByteStream, exchange: Exchange) -> None:
        """The client sends no more, and may have left."""
        self._client_ended = True
        self._watch()
        try:
            exchange.client_ended()
        except HttpError as error:
            self._fail(error.status, error.reason)
            return
        server.end()
        if exchange.is_tunnel and exchange.is_complete:
            self._complete(exchange)

    # -- from the server to the client -----------------------------------------------------

    def on_stream_data(self) -> None:
        """The server has sent something, or ended."""
        self._pass_down()

    def _pass_down(self) -> None:
        """Write to the client what has come for it, as far as it reads."""
        while not self._is_writing:
            server, exchange = self._server, self._exchange
            if server is None or exchange is None or self._is_through(exchange):
                return
            data = server.waiting
            was_tunnel = exchange.is_tunnel
            try:
                if data:
                    pieces, self._used = exchange.from_server(data)
                    self._to_client = _joined(pieces)
                elif server.has_ended:
                    exchange.server_ended()
                    self._end_client(exchange)
                    continue
                else:
                    return
            except HttpError as error:
                self._repeat_or_fail(error.status, error.reason)
                return
            self._watch()
            self._write()
            if data and exchange.is_tunnel and not was_tunnel and self._exchange is exchange:
                self._begin_tunnel(server)

    def _is_through(self, exchange: Exchange) -> bool:
        """Whether the exchange is complete; if so, end it."""
        if exchange.is_complete:
            self._complete(exchange)
            return True
        return exchange.is_tunnel and self._server is not None and self._tunnel_has_ended

    def _write(self) -> None:
        """Write the pieces; the server's bytes are consumed when all have gone."""
        try:
            while self._to_client:
                piece = self._to_client.pop(0)
                written = self._socket.write(piece)
                if written < len(piece):
                    self._is_writing = True
                    self._socket.write_rest(memoryview(piece)[written:])
                    return
        except OSError as error:
            self.on_failed(error)
            return
        used, self._used = self._used, 0
        if self._server is not None:
            self._server.consumed(used)

    def on_written(self) -> None:
        """The client has a piece."""
        self._is_writing = False
        if self._exchange is not None:
            self._watch()
            self._write()
            self._pass_down()

    # -- an upgrade ------------------------------------------------------------------------

    def _begin_tunnel(self, server: ByteStream) -> None:
        """Both sides have switched protocols: pass everything, until both have ended."""
        if server.is_sending:
            self._fail(502, "the server has left HTTP before it had the request")
            return
        self._tunnel_has_ended = False
        if not self._client_ended:
            self._socket.read(self._buffer)

    def _end_client(self, exchange: Exchange) -> None:
        """The server has ended: a tunnel's client is told, any other response is over."""
        if exchange.is_tunnel:
            self._tunnel_has_ended = True
            self._socket.end()

    # -- the end ---------------------------------------------------------------------------

    def _complete(self, exchange: Exchange) -> None:
        """The client has all of its response."""
        self._deadlines.clear(self)
        self._exchange = None
        self._socket.stop_reading()
        server = self._server
        if server is not None and not (exchange.server_stays and server.is_quiet):
            self._drop_server()
        stays = exchange.client_stays and not self._client_ended
        self._owner.on_forwarded(client_stays=stays)

    def on_stream_aborted(self, reason: str) -> None:
        """The stream was reset or the session lost, which need not concern the client."""
        exchange = self._exchange
        if exchange is None:
            self._drop_server()
        elif exchange.is_tunnel:
            self._reset(reason)
        elif not exchange.is_complete:
            # Else the client has all of it, or is about to.
            self._repeat_or_fail(502, reason)

    def on_failed(self, error: OSError) -> None:
        """The client's socket has failed."""
        self._reset(describe(error))

    def _reset(self, reason: str) -> None:
        log.debug("%s %s: the client is lost: %s", self._label, self._target, reason)
        self.close()
        self._owner.on_forward_failed(b"")

    def _repeat_or_fail(self, status: int, reason: str) -> None:
        exchange, head = self._exchange, self._head
        assert exchange is not None
        assert head is not None
        # A server may end its connection just when the next request is on its way.
        if not (self._is_reused and exchange.is_unanswered):
            self._fail(status, reason)
            return
        if not exchange.is_repeatable:
            self._leave_it_to_the_client(reason)
            return
        self._socket.stop_reading()
        self._drop_server()
        self._exchange = None
        try:
            self._connect(Exchange(head, self._context.limits.max_head_size))
        except (BusyError, NotSupportedError) as error:
            self._owner.on_forward_failed(failure_page(503, describe(error), method=head.method))

    def _leave_it_to_the_client(self, reason: str) -> None:
        """End its connection without an answer, as the server did: only it may know better.

        Programs try a request again that met the end of a connection which was kept, and that an
        answer would make final (RFC 9110, section 9.2.2).
        """
        exchange = self._exchange
        assert exchange is not None
        log.debug("%s %s: ended without an answer: %s", self._label, exchange.target, reason)
        self._socket.stop_reading()
        self.close()
        self._owner.on_forwarded(client_stays=False)

    def _fail(self, status: int, reason: str) -> None:
        """Tell the client by a page, its last answer."""
        exchange = self._exchange
        assert exchange is not None
        log.debug("%s %s: failed (%d): %s", self._label, exchange.target, status, reason)
        self._context.board.refused("HTTP", self.wanted, reason)
        self.close()
        # By an orderly end it might take what it has for the whole: then there is no page.
        self._owner.on_forward_failed(
            exchange_failure(exchange, status, f"{exchange.target}: {reason}")
        )

    def _watch(self) -> None:
        """Set the idle time-out anew; it is shorter once the client has ended."""
        timeouts = self._context.limits.idle_timeouts
        seconds = timeouts.half_closed if self._client_ended else timeouts.idle
        self._deadlines.set(self, seconds, self._on_silence)

    def _on_silence(self) -> None:
        if self._exchange is not None:
            self._fail(504, "the server was silent for too long")


def _joined(pieces: list[bytes | memoryview]) -> list[bytes | memoryview]:
    """The same bytes, in one piece if they are few: a head and a short body cost one write."""
    if len(pieces) < 2 or sum(map(len, pieces)) > _JOINED_SIZE:
        return list(pieces)
    return [b"".join(pieces)]
