"""A peer that has a session and then sends nothing but the same message, as fast as it can."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

from tests.integration.support.waiting import DEADLINE
from vsocks.protocol.endpoint import MAX_OUTPUT, Endpoint, EndpointConfig, Wire
from vsocks.protocol.frames import CHECK, CONTROL_ID, HEADER, epoch_of
from vsocks.protocol.handshake import MAGIC, Hello, Offer, Role, find_hello
from vsocks.protocol.messages import Ack, Message, Ping, Pong, decode_message, encode_message

#: Frames that are made and sent at a time.
BATCH = 2000
#: Makes the bytes that are sent next.
Batch = Callable[["Flooder"], bytes]


def hellos(flooder: Flooder) -> bytes:
    """Beginning anew each time: no session ever stands for long."""
    return Hello(flooder.role, flooder.nonce, 0, Offer()).encode() * BATCH


def noise(flooder: Flooder) -> bytes:
    """The beginnings of hellos, one in the other."""
    return (HEADER.pack(CONTROL_ID, 60) + MAGIC) * BATCH


def pings(flooder: Flooder) -> bytes:
    """Each asks for an answer."""
    return flooder.frames(Ping(7))


def pongs(flooder: Flooder) -> bytes:
    """Answers that nobody asked for."""
    return flooder.frames(Pong(7))


def acks(flooder: Flooder) -> bytes:
    """Of nothing."""
    return flooder.frames(Ack(0))


def unknown(flooder: Flooder) -> bytes:
    """Messages of a kind that a later version may have."""
    return flooder.sealed(CONTROL_ID, b"\xf0")


def damaged(flooder: Flooder) -> bytes:
    """Frames of no session: each ends the one that stands."""
    return (HEADER.pack(CONTROL_ID, 9 + CHECK.size) + b"\x17" + bytes(8 + CHECK.size)) * BATCH


#: The session stands under these.
VALID: Final[list[Batch]] = [pings, pongs, acks, unknown]
FLOODS: Final[list[Batch]] = [*VALID, hellos, noise, damaged]


class Flooder:
    """Takes up a session on a channel, then floods it until the context is left.

    One thread sends, another reads what the daemon says, and throws it away once it was looked
    through for a control message of the kind that a test waits for.
    """

    def __init__(self, role: Role, channel: socket.socket) -> None:
        self.role = role
        self.nonce = int.from_bytes(os.urandom(8), "little") or 1
        self._channel = channel
        self._epoch = 0
        self._sequence = 0
        self._ends = threading.Event()
        self._threads: list[threading.Thread] = []
        #: All that has come since the flood began, up to a bound.
        self._heard = bytearray()
        self._news = threading.Condition()

    def begin(self, batch: Batch) -> None:
        """Make a session, then send and read in threads of their own."""
        self.meet()
        self._start(lambda: self._send(batch))

    def meet(self) -> None:
        """Make a session, and read in a thread."""
        self._shake_hands()
        self._start(self._read)

    def say(self, *messages: Message) -> None:
        """Send some messages of the session, all at once."""
        frames = (self._frame(CONTROL_ID, encode_message(each)) for each in messages)
        self._channel.sendall(b"".join(frames))

    def heard(self) -> list[Message | None]:
        """The control messages that the daemon has said so far."""
        with self._news:
            data = bytes(self._heard)
        messages = []
        while len(data) >= HEADER.size:
            frame_id, length = HEADER.unpack_from(data)
            body, data = data[HEADER.size :][:length], data[HEADER.size + length :]
            if frame_id == CONTROL_ID and len(body) == length and body[: len(MAGIC)] != MAGIC:
                messages.append(decode_message(memoryview(body)[: -CHECK.size]))
        return messages

    def _start(self, work: Callable[[], None]) -> None:
        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        self._threads.append(thread)

    def wait_heard(self, what: bytes) -> None:
        """Wait until the daemon has said that."""
        with self._news:
            assert self._news.wait_for(lambda: what in self._heard, DEADLINE), "it was not said"

    def frames(self, message: Message) -> bytes:
        """A batch of frames of the session that say so."""
        return self.sealed(CONTROL_ID, encode_message(message))

    def sealed(self, frame_id: int, payload: bytes) -> bytes:
        """A batch of frames of the session with that payload."""
        return b"".join(self._frame(frame_id, payload) for _ in range(BATCH))

    def _frame(self, frame_id: int, payload: bytes) -> bytes:
        """The next frame of the session with that payload."""
        check = CHECK.pack(self._epoch, self._sequence)
        self._sequence += 1
        return HEADER.pack(frame_id, len(payload) + CHECK.size) + payload + check

    def _shake_hands(self) -> None:
        endpoint = Endpoint(
            EndpointConfig(self.role, wire=Wire.VSOCKS),
            time.monotonic(),
            lambda size: self.nonce.to_bytes(size, "little"),
        )
        while endpoint.session is None:
            self._say(endpoint)
            size = self._channel.recv_into(endpoint.buffer())
            assert size, "the channel was closed"
            hello, _ = find_hello(bytes(endpoint.buffer()[:size]))
            if hello is not None:
                self._epoch = epoch_of(self.nonce, hello.nonce)
            list(endpoint.received(size, time.monotonic()))
        self._say(endpoint)

    def _say(self, endpoint: Endpoint) -> None:
        """Send what the endpoint has to say, and count the frames of the session in it."""
        out = memoryview(bytearray(MAX_OUTPUT))
        out = out[: endpoint.write_into(out, time.monotonic())]
        self._channel.sendall(out)
        while out:
            _, length = HEADER.unpack_from(out)
            self._sequence += bytes(out[HEADER.size :][: len(MAGIC)]) != MAGIC
            out = out[HEADER.size + length :]

    def _send(self, batch: Batch) -> None:
        with contextlib.suppress(OSError):
            while not self._ends.is_set():
                self._channel.sendall(batch(self))

    def _read(self) -> None:
        with contextlib.suppress(OSError):
            while data := self._channel.recv(65536):
                with self._news:
                    self._heard += data
                    del self._heard[:-1_000_000]
                    self._news.notify_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ends.set()
        with contextlib.suppress(OSError):
            self._channel.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(DEADLINE)
