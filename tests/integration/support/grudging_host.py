"""A host of our own protocol that reads only as much as a test lets it."""

from __future__ import annotations

import socket
import threading
import time
from types import TracebackType
from typing import Self

from tests.integration.support.waiting import DEADLINE
from vsocks.address import Target
from vsocks.protocol.endpoint import MAX_OUTPUT, Endpoint, EndpointConfig
from vsocks.protocol.events import Data, Opened, SessionEvent
from vsocks.protocol.handshake import Offer, Role
from vsocks.protocol.session import Session
from vsocks.protocol.streams import Stream

LISTENING_AT, CAME_FROM = Target("192.0.2.1", 1111), Target("192.0.2.2", 2222)


class GrudgingHost:
    """Accepts every stream, takes `window` bytes of each, and never gives credit for more.

    Who is to be listened for has come as soon as it listens. Questions and datagrams are heard
    and not answered.

    In a thread, from entering the context to leaving it.
    """

    def __init__(self, channel: socket.socket, window: int) -> None:
        self._channel = channel
        self._endpoint = Endpoint(EndpointConfig(Role.HOST, Offer(window=window)), time.monotonic())
        self._lock = threading.Condition()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._out = memoryview(bytearray(MAX_OUTPUT + 65536))
        #: The streams in the order of their opening, and what came on each.
        self.streams: list[Stream] = []
        self.received: list[bytes] = []

    def wait_received(self, stream: int, count: int) -> None:
        """Wait until so many bytes have come on the stream that was opened as number `stream`."""
        with self._lock:
            assert self._lock.wait_for(
                lambda: len(self.received) > stream and len(self.received[stream]) >= count,
                DEADLINE,
            ), f"only {[len(data) for data in self.received]} bytes came"

    def send(self, stream: int, data: bytes) -> None:
        """Send data on the stream that was opened as number `stream`."""
        with self._lock:
            session = self._endpoint.session
            assert isinstance(session, Session)
            session.send(self.streams[stream], memoryview(data))
            self._flush()

    def end(self, stream: int) -> None:
        """Send no more on it."""
        with self._lock:
            session = self._endpoint.session
            assert isinstance(session, Session)
            session.end(self.streams[stream])
            self._flush()

    def _run(self) -> None:
        while size := self._read():
            with self._lock:
                for event in self._endpoint.received(size, time.monotonic()):
                    self._take(event)
                self._flush()
                self._lock.notify_all()

    def _read(self) -> int:
        try:
            return self._channel.recv_into(self._endpoint.buffer())
        except OSError:
            return 0

    def _take(self, event: SessionEvent) -> None:
        session = self._endpoint.session
        match event:
            case Opened(stream, _, listens):
                assert isinstance(session, Session)
                self.streams.append(stream)
                self.received.append(b"")
                if listens:
                    session.listening(stream, LISTENING_AT)
                session.accept(stream, CAME_FROM if listens else None)
            case Data(stream, data):
                self.received[self.streams.index(stream)] += data

    def _flush(self) -> None:
        while size := self._endpoint.write_into(self._out, time.monotonic()):
            self._channel.sendall(self._out[:size])

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._channel.shutdown(socket.SHUT_RDWR)
        self._thread.join(DEADLINE)
