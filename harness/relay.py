"""A relay between a host daemon and a port, which makes the port slow, late, or cuts it."""

from __future__ import annotations

import queue
import socket
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Self

PIECE = 4096
"""Bytes that pass at a time; QEMU's own port takes no more either."""
UNDERWAY = 256
"""Pieces that may be under way in one direction, however long the delay."""
END = 10.0
"""Deadline, in seconds, for the end of a thread whose sockets are closed."""


class Relay:
    """Listens at `path`, and connects each host daemon that comes to `port`.

    `rate` (bytes a second in each direction; 0: any) and `delay` (seconds) may be changed at any
    time. With `cut_after` the connection is cut when so many more bytes have passed, in both
    directions together, be it in the middle of a frame; the next one passes as before.
    """

    def __init__(self, path: Path, port: Path, *, rate: float = 0, delay: float = 0) -> None:
        self.path = path
        self.rate = rate
        self.delay = delay
        self.cuts = 0
        """How often a connection was cut."""
        self._port = port
        self._left: int | None = None
        self._turn = threading.Lock()
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen(1)
        self._ends: tuple[socket.socket, ...] = ()
        self._thread = threading.Thread(target=self._run, name="relay", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        hang_up(self._listener)
        hang_up(*self._ends)
        self._thread.join(END)
        self._listener.close()

    def cut_after(self, count: int) -> None:
        """Cut when so many more bytes have passed."""
        with self._turn:
            self._left = count

    def pass_on(self, data: bytes, sink: socket.socket) -> None:
        """Send data on, or what of it still passes before the cut; OSError after it."""
        with self._turn:
            passes = len(data) if self._left is None else min(self._left, len(data))
            if self._left is not None:
                self._left -= passes
        sink.sendall(data[:passes])
        if passes < len(data) or self._left == 0:
            with self._turn:
                self._left = None
                self.cuts += 1
            raise ConnectionAbortedError("cut")

    def _run(self) -> None:
        while True:
            try:
                daemon, _ = self._listener.accept()
            except OSError:
                return
            port = socket.socket(socket.AF_UNIX)
            self._ends = (daemon, port)
            with daemon, port, suppress(OSError):
                port.connect(str(self._port))
                ways = [_Way(self, daemon, port), _Way(self, port, daemon)]
                for way in ways:
                    way.join()


class _Way:
    """One direction: a thread that reads, a thread that sends when it is due."""

    def __init__(self, relay: Relay, source: socket.socket, sink: socket.socket) -> None:
        self._relay, self._source, self._sink = relay, source, sink
        self._pieces: queue.Queue[tuple[float, bytes]] = queue.Queue(UNDERWAY)
        self._threads = [
            threading.Thread(target=work, name="relay", daemon=True)
            for work in (self._read, self._send)
        ]
        for thread in self._threads:
            thread.start()

    def join(self) -> None:
        for thread in self._threads:
            thread.join()

    def _read(self) -> None:
        data = b"begin"
        while data:
            try:
                data = self._source.recv(PIECE)
            except OSError:
                data = b""
            self._pieces.put((time.monotonic() + self._relay.delay, data))

    def _send(self) -> None:
        due, data = self._pieces.get()
        with suppress(OSError):
            while data:
                time.sleep(max(0.0, due - time.monotonic()))
                self._relay.pass_on(data, self._sink)
                if self._relay.rate:
                    time.sleep(len(data) / self._relay.rate)
                due, data = self._pieces.get()
        hang_up(self._source, self._sink)
        while data:  # so that the reader doesn't wait for room
            _, data = self._pieces.get()


def hang_up(*ends: socket.socket) -> None:
    """End connections for whoever is at their other ends, and for our own threads."""
    for end in ends:
        with suppress(OSError):  # it may have ended by itself
            end.shutdown(socket.SHUT_RDWR)
