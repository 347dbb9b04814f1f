"""The original project's guest program, from its README: a SOCKS5 server, and nothing of vsocks."""

from __future__ import annotations

import contextlib
import socket
import threading
from types import TracebackType
from typing import Self

from tests.integration.support.original_wire import (
    BUFFER,
    CONNECTIONS,
    IPV4,
    IPV6,
    NAME,
    Wire,
    WireError,
)
from tests.integration.support.waiting import DEADLINE

_SUCCESS = b"\x05\x00\x00\x01" + bytes(6)
_FULL = b"\x05\x01\x00\x01" + bytes(6)


class OriginalGuest:
    """Serves SOCKS5 at `proxy` over `channel`, from entering the context to leaving it.

    It takes the lowest free connection id, and calls every connect a success, for the wire has
    no answer to it. `error` is a violation of the wire by the peer.
    """

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._wire = Wire(channel)
        self._clients: dict[int, socket.socket] = {}
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.proxy: tuple[str, int] = self._listener.getsockname()
        self.error: WireError | None = None

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            client.settimeout(DEADLINE)
            self._start(lambda client=client: self._serve(client))

    def _serve(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError, EOFError):
            request = _handshake(client)
            conn_id = self._take_id(client)
            if conn_id is None:
                client.sendall(_FULL)
                return
            # First, or the host's refusal might end the client's connection before it has this.
            client.sendall(_SUCCESS)
            self._wire.send(conn_id, request)
            try:
                while data := client.recv(BUFFER):
                    self._wire.send(conn_id, data)
            finally:
                if self._free_id(conn_id, client):
                    self._wire.send(conn_id, b"")

    def _take_id(self, client: socket.socket) -> int | None:
        with self._lock:
            free = (number for number in range(CONNECTIONS) if number not in self._clients)
            conn_id = next(free, None)
            if conn_id is not None:
                self._clients[conn_id] = client
        return conn_id

    def _free_id(self, conn_id: int, client: socket.socket) -> bool:
        """True if the connection was open until now."""
        with self._lock:
            if self._clients.get(conn_id) is not client:
                return False
            del self._clients[conn_id]
            return True

    def _demultiplex(self) -> None:
        try:
            for conn_id, data in self._wire.packets():
                with self._lock:
                    client = self._clients.get(conn_id)
                if client is None:
                    continue
                with contextlib.suppress(OSError):
                    if data:
                        client.sendall(data)
                    elif self._free_id(conn_id, client):
                        client.shutdown(socket.SHUT_RDWR)
        except WireError as error:
            self.error = error

    def _start(self, run: object) -> None:
        assert callable(run)
        thread = threading.Thread(target=run, daemon=True)
        self._threads.append(thread)
        thread.start()

    def __enter__(self) -> Self:
        self._start(self._accept)
        self._start(self._demultiplex)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for sock in (self._listener, self._channel, *self._clients.values()):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(DEADLINE)
        self._listener.close()
        self._channel.close()
        if self.error and error is None:
            raise self.error


def _handshake(client: socket.socket) -> bytes:
    """Agree on no authentication; the request from its address type on."""
    _, methods = _take(client, 2)
    _take(client, methods)
    client.sendall(b"\x05\x00")
    head = _take(client, 4)
    kind = head[3]
    if kind == NAME:
        length = _take(client, 1)
        return bytes((kind,)) + length + _take(client, length[0] + 2)
    return bytes((kind,)) + _take(client, {IPV4: 4, IPV6: 16}[kind] + 2)


def _take(client: socket.socket, count: int) -> bytes:
    parts = b""
    while len(parts) < count:
        data = client.recv(count - len(parts))
        if not data:
            raise EOFError("the client left in the handshake")
        parts += data
    return parts
