"""The original project's host program, from its README: it knows nothing of vsocks."""

from __future__ import annotations

import contextlib
import socket
import threading
from types import TracebackType
from typing import Self

from tests.integration.support.original_wire import BUFFER, Wire, WireError, decode_target
from tests.integration.support.waiting import DEADLINE


class OriginalHost:
    """Dials what the peer on `channel` asks for, from entering the context to leaving it.

    A target that can't be reached is answered with a close, which is all that this wire can say.
    `requests` lists what was asked for; `error` is a violation of the wire by the peer.
    """

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._wire = Wire(channel)
        self._targets: dict[int, socket.socket] = {}
        self._readers: list[threading.Thread] = []
        self._lock = threading.Lock()
        self.requests: list[tuple[str, int]] = []
        self.error: WireError | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        try:
            for conn_id, data in self._wire.packets():
                self._packet(conn_id, data)
        except WireError as error:
            self.error = error

    def _packet(self, conn_id: int, data: bytes) -> None:
        with self._lock:
            target = self._targets.get(conn_id)
        if target is None:
            if data:  # a close for what is closed already says nothing new
                self._connect(conn_id, data)
        elif data:
            with contextlib.suppress(OSError):  # the reader will see it, and close
                target.sendall(data)
        else:
            self._forget(conn_id, target)

    def _connect(self, conn_id: int, data: bytes) -> None:
        address = decode_target(data)
        self.requests.append(address)
        try:
            target = socket.create_connection(address, timeout=DEADLINE)
        except OSError:
            self._wire.send(conn_id, b"")
            return
        with self._lock:
            self._targets[conn_id] = target
        reader = threading.Thread(target=self._read, args=(conn_id, target), daemon=True)
        self._readers.append(reader)
        reader.start()

    def _read(self, conn_id: int, target: socket.socket) -> None:
        with target:
            with contextlib.suppress(OSError):
                while data := target.recv(BUFFER):
                    self._wire.send(conn_id, data)
            if self._forget(conn_id, target):
                self._wire.send(conn_id, b"")

    def _forget(self, conn_id: int, target: socket.socket) -> bool:
        """End the connection; True if nobody did it before.

        Closing it is left to its reader: a descriptor must not change hands under a recv().
        """
        with self._lock:
            if self._targets.get(conn_id) is not target:
                return False
            del self._targets[conn_id]
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_RDWR)
        return True

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with contextlib.suppress(OSError):
            self._channel.shutdown(socket.SHUT_RDWR)
        self._thread.join(DEADLINE)
        for conn_id, target in list(self._targets.items()):
            self._forget(conn_id, target)
        for reader in self._readers:
            reader.join(DEADLINE)
        self._channel.close()
        if self.error and error is None:
            raise self.error
