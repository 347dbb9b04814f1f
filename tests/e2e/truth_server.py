"""The target of the self-verifying connections, on the host's loopback."""

from __future__ import annotations

import socket
import socketserver
import threading
from dataclasses import dataclass

from tests.e2e.truth import BLOCK, HEADER, VERDICT, Mode, upward
from tests.support.pattern import Checker, pattern

SILENCE = 120.0
"""Seconds without a byte after which a connection counts as forgotten."""


@dataclass
class Record:
    """What became of one connection."""

    stream: int
    mode: Mode
    received: int = 0
    wrong: str = ""
    how: str = ""
    """eof, reset or timeout; empty while it lives."""


class TruthServer(socketserver.ThreadingTCPServer):
    """Serves and checks; `records` tell what it saw."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.port = int(self.server_address[1])
        self.records: list[Record] = []
        self._changed = threading.Condition()

    def note(self, record: Record) -> None:
        """Remember a connection, or that it changed."""
        with self._changed:
            if record not in self.records:
                self.records.append(record)
            self._changed.notify_all()

    def wait_begun(self, connections: int, timeout: float) -> None:
        """Wait until so many connections in all have come."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.records) >= connections, timeout), (
                f"{len(self.records)} of {connections} connections came in {timeout:g} s"
            )

    def wait_all_ended(self, timeout: float) -> None:
        """Wait until no connection lives any more."""
        with self._changed:
            done = self._changed.wait_for(lambda: all(it.how for it in self.records), timeout)
            alive = [it for it in self.records if not it.how]
        assert done, f"still open on the host's side after {timeout:g} s: {alive}"

    def handle_error(self, request: object, client_address: object) -> None:
        """What went wrong with a connection is in its record."""


class _Handler(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        assert isinstance(self.server, TruthServer)
        sock: socket.socket = self.request
        sock.settimeout(SILENCE)
        header = sock.recv(HEADER.size, socket.MSG_WAITALL)
        if len(header) < HEADER.size:
            return
        mode, stream, length = HEADER.unpack(header)
        self.record = Record(stream, Mode(mode))
        self.server.note(self.record)
        try:
            self._serve(sock, length)
            self.record.how = "eof"
        except TimeoutError:
            self.record.how = "timeout"
        except OSError:
            self.record.how = "reset"
        finally:
            self.server.note(self.record)

    def _serve(self, sock: socket.socket, length: int) -> None:
        record = self.record
        if record.mode is Mode.DOWN:
            self._send(sock, length)
            self._receive(sock, Checker(record.stream))
        elif record.mode is Mode.UP:
            checker = Checker(record.stream)
            self._receive(sock, checker)
            sock.sendall(VERDICT.pack(checker.received, not checker.wrong))
        else:
            sender = threading.Thread(target=self._send_quietly, args=(sock, length), daemon=True)
            sender.start()
            self._receive(sock, Checker(upward(record.stream)))
            if not length:
                sock.shutdown(socket.SHUT_RDWR)  # nobody reads any more: stop the sender too
            sender.join(SILENCE)

    def _send(self, sock: socket.socket, length: int) -> None:
        sent = 0
        while not length or sent < length:
            size = min(BLOCK, length - sent) if length else BLOCK
            sock.sendall(pattern(self.record.stream, sent, size))
            sent += size
        sock.shutdown(socket.SHUT_WR)

    def _send_quietly(self, sock: socket.socket, length: int) -> None:
        try:
            self._send(sock, length)
        except OSError:
            return

    def _receive(self, sock: socket.socket, checker: Checker) -> None:
        try:
            while data := sock.recv(BLOCK):
                checker.take(data)
        finally:
            self.record.received, self.record.wrong = checker.received, checker.wrong
