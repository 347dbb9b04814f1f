"""A relay between a host daemon and a port that remembers every byte, to be sent again later."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from pathlib import Path
from typing import Self

REMEMBERED = 4 * 1024 * 1024


class Tap:
    """Listens at `path` for one host daemon; `to_guest` and `to_host` are what passed.

    `to_guest_first` goes into the port before anything that the daemon says.
    """

    def __init__(self, path: Path, port: Path, to_guest_first: bytes = b"") -> None:
        self.path = path
        self.to_guest = bytearray()
        self.to_host = bytearray()
        self._port = socket.socket(socket.AF_UNIX)
        self._port.connect(str(port))
        self._first = to_guest_first
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen(1)
        self._threads = [threading.Thread(target=self._run, name="tap", daemon=True)]
        self._threads[0].start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for end in (self._listener, self._port):
            with suppress(OSError):  # it may have ended by itself
                end.shutdown(socket.SHUT_RDWR)
            end.close()
        for thread in self._threads:
            thread.join(10)

    def _run(self) -> None:
        try:
            daemon, _ = self._listener.accept()
        except OSError:
            return
        up = threading.Thread(target=self._run_up, args=(daemon,), name="tap", daemon=True)
        self._threads.append(up)
        up.start()
        _pass_on(self._port, daemon, self.to_host)
        daemon.close()

    def _run_up(self, daemon: socket.socket) -> None:
        with suppress(OSError):
            self._port.sendall(self._first)
            _pass_on(daemon, self._port, self.to_guest)


def _pass_on(source: socket.socket, sink: socket.socket, memory: bytearray) -> None:
    try:
        while data := source.recv(65536):
            if len(memory) < REMEMBERED:
                memory += data
            sink.sendall(data)
        sink.shutdown(socket.SHUT_RDWR)
    except OSError:
        return
