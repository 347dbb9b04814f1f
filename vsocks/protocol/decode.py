"""Bytes of one direction of a channel as lines for people: frames of either wire, whole or not.

Nothing here decides anything: what a daemon would refuse is shown, with what is wrong with it.
What can't be a frame is skipped up to the next hello, as a daemon does.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Final

from vsocks.address import Target
from vsocks.errors import ProtocolError, describe
from vsocks.protocol.endpoint import Wire
from vsocks.protocol.frames import CHECK, CONTROL_ID, FIRST_HOST_ID, HEADER, epoch_of
from vsocks.protocol.handshake import MAGIC, PROBE, Hello, decode_hello, find_hello
from vsocks.protocol.messages import Listen, Open, decode_message
from vsocks.protocol.original import parse_request

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Bytes that are looked at before it is said which wire they are of.
_ENOUGH: Final = 64 * 1024
#: Bytes of a text, or of data, that a line shows.
_SHOWN: Final = 40


@dataclass(frozen=True, slots=True)
class Line:
    """One frame, or what is none."""

    #: Bytes before it.
    offset: int
    #: Bytes that it has, header and check included.
    size: int
    #: The stream's label or id; empty for what is no stream's.
    stream: str
    #: What it is, and what it says.
    text: str

    def __str__(self) -> str:
        return f"{self.offset:>10}  {self.size:>6}  {self.stream:<7} {self.text}"


class Decoder:
    """feed() it what comes, end() it when all has come; go through the lines of each."""

    def __init__(self, wire: Wire = Wire.AUTO, *, at_once: bool = False) -> None:
        """If ``wire`` is AUTO the first bytes tell: as many as may be, or with ``at_once`` few."""
        self.wire = wire
        self._enough = HEADER.size if at_once else _ENOUGH
        self._held = bytearray()
        self._offset = 0
        self._is_over = False
        #: Bytes before which there is no hello: each is looked at once, however many frames fail.
        self._searched = 0
        #: What the checks of the session's frames are to be; None as long as nothing tells.
        self._epoch: int | None = None
        self._sequence: int | None = None
        #: What has been opened in this direction: labels of its streams, and how many.
        self._labels: dict[int, str] = {}
        self._opened = 0

    def feed(self, data: bytes | memoryview) -> Iterator[Line]:
        """More bytes have come."""
        self._held += data
        yield from self._lines()

    def end(self) -> Iterator[Line]:
        """No more come."""
        self._is_over = True
        yield from self._lines()
        if self._held:
            size = len(self._held)
            if size < HEADER.size:
                yield self._take(size, "", "cut short: a part of a header")
            else:
                _, length = HEADER.unpack_from(self._held)
                whole = HEADER.size + length
                yield self._take(size, "", f"cut short: {size} of the {whole} bytes of a frame")

    def _lines(self) -> Iterator[Line]:
        if self.wire is Wire.AUTO:
            if len(self._held) < self._enough and not self._is_over:
                return
            self.wire = _wire_of(self._held)
        step = self._next if self.wire is Wire.VSOCKS else self._next_original
        while len(self._held) >= HEADER.size:
            line = step()
            if line is None:
                return
            yield line

    def _take(self, size: int, stream: str, text: str) -> Line:
        line = Line(self._offset, size, stream, text)
        del self._held[:size]
        self._offset += size
        return line

    def _name(self, stream_id: int) -> str:
        return self._labels.get(stream_id, f"{stream_id:#06x}")

    # -- vsocks's own wire -----------------------------------------------------------------

    def _next(self) -> Line | None:
        """The next frame, or what is none; None if more must come first."""
        if self._held.startswith(PROBE):
            return self._take(len(PROBE), "", "PROBE for a host of the original wire")
        frame_id, length = HEADER.unpack_from(self._held)
        size = HEADER.size + length
        if len(self._held) < size:
            # A frame that is torn off has a hello behind it, not its rest.
            return self._skipped("not a frame") if self._hello_at() is not None else None
        body = bytes(memoryview(self._held)[HEADER.size : size])
        if frame_id == CONTROL_ID and body.startswith(MAGIC):
            hello = decode_hello(memoryview(body))
            if hello is not None:
                return self._take(size, "", self._begun(hello))
        elif not any(body) and frame_id == CONTROL_ID:
            return self._take(size, "", "PADDING")
        elif (wrong := self._wrong_check(body)) is None:
            return self._frame(frame_id, body[: -CHECK.size], size)
        elif self._epoch is not None and self._hello_at() is None:
            return self._take(size, self._stream_of(frame_id), f"damaged: {wrong}")
        return self._skipped("not a frame")

    def _stream_of(self, frame_id: int) -> str:
        return "" if frame_id == CONTROL_ID else self._name(frame_id)

    def _frame(self, frame_id: int, payload: bytes, size: int) -> Line:
        if frame_id != CONTROL_ID:
            return self._take(size, self._name(frame_id), f"DATA {len(payload)} bytes")
        try:
            message = decode_message(memoryview(payload))
        except ProtocolError as error:
            return self._take(size, "", f"damaged: {describe(error)}")
        if message is None:
            return self._take(size, "", f"of an unknown kind, {payload[0]:#04x}")
        stream = getattr(message, "stream", None)
        if isinstance(message, Open | Listen):
            self._opened += 1
            letter = "h" if message.stream >= FIRST_HOST_ID else "c"
            self._labels[message.stream] = f"{letter}{self._opened}"
        name = "" if stream is None else self._name(stream)
        return self._take(size, name, _said(message))

    def _begun(self, hello: Hello) -> str:
        """What a hello says; the frames behind it are of the session that it is about."""
        # While the peer's nonce isn't known there can be no frame, and no epoch is 0.
        epoch = epoch_of(hello.nonce, hello.echo) if hello.echo else 0
        if epoch != self._epoch:
            self._epoch, self._sequence = epoch, 0
            self._labels.clear()
            self._opened = 0
        offer = hello.offer
        return (
            f"HELLO {hello.role.name.lower()} version={hello.version} nonce={hello.nonce:#018x} "
            f"echo={hello.echo:#018x} streams={offer.max_streams} window={offer.window} "
            f"max_frame={offer.max_frame} features={offer.features:#x}"
        )

    def _wrong_check(self, body: bytes) -> str | None:
        """What is wrong with the check of a frame; None if nothing is."""
        if len(body) < CHECK.size:
            return "too short for its check"
        epoch, sequence = CHECK.unpack_from(body, len(body) - CHECK.size)
        if self._epoch is None:
            # The record begins within a session: the first frame tells.
            self._epoch, self._sequence = epoch, sequence
        expected, self._sequence = self._sequence, sequence
        if epoch != self._epoch:
            self._sequence = expected
            return f"of another session ({epoch:#010x})"
        self._sequence = (sequence + 1) & 0xFFFFFFFF
        if expected is not None and sequence != expected:
            return f"number {sequence} came, {expected} was next"
        return None

    def _hello_at(self) -> int | None:
        """Where the next hello begins in what is held, if there is one beyond the first byte."""
        start = max(1, self._searched - self._offset)
        while start < len(self._held):
            hello, end = find_hello(self._held, start)
            if hello is not None:
                return self._held.rindex(MAGIC, 0, end) - HEADER.size
            if end <= start:
                break
            start = end
        self._searched = self._offset + start
        return None

    def _skipped(self, what: str) -> Line | None:
        """What is thrown away before the next hello."""
        at = self._hello_at()
        if at is None:
            # A hello may have begun to come.
            keep = 0 if self._is_over else HEADER.size + 4 * len(MAGIC)
            at = len(self._held) - keep
            if at <= 0:
                return None
        return self._take(at, "", f"{what}: {at} bytes skipped")

    # -- the original wire -----------------------------------------------------------------

    def _next_original(self) -> Line | None:
        stream_id, length = HEADER.unpack_from(self._held)
        size = HEADER.size + length
        if len(self._held) < size:
            return None
        payload = bytes(memoryview(self._held)[HEADER.size : size])
        name = self._name(stream_id)
        if not payload:
            self._labels.pop(stream_id, None)
            return self._take(size, name, "CLOSE")
        target = parse_request(memoryview(payload)) if stream_id not in self._labels else None
        if target is not None:
            self._opened += 1
            self._labels[stream_id] = name = f"c{self._opened}"
            return self._take(size, name, f"OPEN id={stream_id:#06x} target={target}")
        return self._take(size, name, f"DATA {len(payload)} bytes")


def _said(message: Any) -> str:
    """A message in one line: its kind, and its fields but for the stream."""
    said = [
        f"{field.name}={_shown(getattr(message, field.name))}"
        for field in fields(message)
        if field.name != "stream"
    ]
    kind = "".join(f"_{c}" if c.isupper() else c for c in type(message).__name__).strip("_")
    return " ".join([kind.upper(), *said])


def _shown(value: object) -> str:
    if isinstance(value, memoryview | bytes):
        return f"{len(value)} bytes"
    if isinstance(value, str):
        return ascii(value if len(value) <= _SHOWN else value[:_SHOWN] + "…")
    return str(value) if isinstance(value, int | Target) or value is None else ascii(value)


def _wire_of(data: bytearray) -> Wire:
    """Hellos are of our own wire alone, and so are frames that count in their checks."""
    if MAGIC in data:
        return Wire.VSOCKS
    checks: list[tuple[int, int]] = []
    at = 0
    while at + HEADER.size <= len(data) and len(checks) < 2:
        _, length = HEADER.unpack_from(data, at)
        at += HEADER.size + length
        if length < CHECK.size or at > len(data):
            break
        epoch, sequence = CHECK.unpack_from(data, at - CHECK.size)
        checks.append((epoch, sequence))
    counts = len(checks) == 2 and checks[1] == (checks[0][0], (checks[0][1] + 1) & 0xFFFFFFFF)
    return Wire.VSOCKS if counts else Wire.ORIGINAL
