"""Connecting a stream to one address, which needs no task."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vsocks.address import target_of
from vsocks.aio.current import reactor
from vsocks.aio.socket_options import family_of, new_stream
from vsocks.errors import describe
from vsocks.reply import DialError, Reply, reply_for_error

if TYPE_CHECKING:
    import socket

    from vsocks.address import IPAddress, Target
    from vsocks.aio.reactor import Watch
    from vsocks.mux.incoming import Connected


class Dial:
    """One attempt to connect; close() abandons it."""

    def __init__(self, target: Target, ip: IPAddress, timeout: float, done: Connected) -> None:
        """``target`` is for messages, ``ip`` its address; ``done`` is told, maybe in this call."""
        self._target = target
        self._timeout = timeout
        self._done = done
        self._deadlines = reactor().deadlines
        self._connecting: Watch | None = None
        self._socket: socket.socket | None = None
        host = str(ip)
        try:
            self._socket = new_stream(family_of(host))
            connecting = reactor().connect(self._socket, (host, target.port), self._on_done)
        except (OSError, OverflowError) as error:
            self._fail(reply_for_error(error), describe(error))
            return
        if self._socket is not None:
            self._connecting = connecting
            self._deadlines.set(self, timeout, self._on_time)

    def close(self) -> None:
        """Abandon it; nothing is told."""
        self._deadlines.clear(self)
        connecting, self._connecting = self._connecting, None
        if connecting is not None:
            connecting.close()
        sock, self._socket = self._socket, None
        if sock is not None:
            sock.close()

    def _on_done(self, error: OSError | None) -> None:
        sock = self._socket
        assert sock is not None
        try:
            if error is None:
                bound = target_of(sock.getsockname())
        except OSError as gone:
            error = gone
        if error is not None:
            self._fail(reply_for_error(error), describe(error))
            return
        self._deadlines.clear(self)
        self._connecting = self._socket = None
        self._done((sock, bound))

    def _on_time(self) -> None:
        self._fail(Reply.TTL_EXPIRED, f"no answer within {self._timeout:g} s of connecting")

    def _fail(self, reply: Reply, reason: str) -> None:
        self.close()
        self._done(DialError(reply, f"{self._target}: {reason}"))
