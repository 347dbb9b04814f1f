"""One end of a channel, from the first byte out of it to the last: which wire, which session.

    looking ──hello──> shaking ──our nonce came back──> session (Session)
       │                  ^                                 │
       │                  └─────────── lost ────────────────┘
       └──original peer──> session (OriginalSession)

Sans-I/O: read bytes from the channel into buffer(), then go through the events of
received(); write what write_into() gives; call poll() at next_poll. One endpoint serves one
opening of a channel.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from vsocks.errors import GoodbyeError, SessionLostError
from vsocks.protocol.events import Notice, Rejected, SessionEvent, SessionLost, SessionUp
from vsocks.protocol.frames import CONTROL_ID, HEADER, MAX_LENGTH
from vsocks.protocol.handshake import (
    IMPOSSIBLE_REQUEST,
    PROBE_ID,
    Handshake,
    Hello,
    Offer,
    Role,
    find_hello,
)
from vsocks.protocol.original import NoPeerError, OriginalSession, parse_request
from vsocks.protocol.session import Session
from vsocks.protocol.stranger import Stranger

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from vsocks.protocol.any_session import AnySession

#: Room for the longest frame, and as much again so that one read brings many.
INBOX_SIZE: Final = 256 * 1024
#: Frames, and what looks like a hello, that one call of received() handles at most: whoever sends
#: nothing but the shortest ones takes no more than a few milliseconds at a time.
MAX_FRAMES: Final = 256
#: A session that stood for less, in seconds, was lost quickly; so many may be lost so in a row.
_QUICK: Final = 1.0
_FREE_LOSSES: Final = 8
#: Seconds before the handshake after the next of them, doubled with each, and at most.
_FIRST_PAUSE: Final = 0.05
_LONGEST_PAUSE: Final = 1.0
#: Seconds without a byte after which a host that has said goodbye closes the channel; and for how
#: many a guest is silent after it, so that none comes then. Shorter than anybody notices.
QUIET: Final = 0.15
_AFTER_GOODBYE: Final = 0.5
assert _AFTER_GOODBYE > 2 * QUIET


class Wire(StrEnum):
    """Which wire format to speak."""

    AUTO = "auto"
    VSOCKS = "vsocks"
    ORIGINAL = "original"


@dataclass(frozen=True, slots=True)
class EndpointConfig:
    """What an endpoint is to be."""

    role: Role
    #: What we promise in our hello.
    offer: Offer = field(default_factory=Offer)
    wire: Wire = Wire.AUTO


class Endpoint:
    """The state machine of one end of a channel."""

    def __init__(
        self,
        config: EndpointConfig,
        now: float,
        entropy: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self._config = config
        self._role = config.role
        self._entropy = entropy
        self._memory = bytearray(INBOX_SIZE)
        self._inbox = memoryview(self._memory)
        #: How many bytes the inbox holds, and how many of them received() is done with.
        self._held = 0
        self._done = 0
        #: Whether the inbox may hold more than received() has handled, which stopped for others:
        #: call received(0, now) again, in a later turn, before more is read.
        self.has_more = False
        self._session: AnySession | None = None
        self._is_up = False
        #: Nothing has come yet that rules out a peer which speaks the original wire only.
        self._maybe_original = config.wire is Wire.AUTO
        self._warned_of_echo = False
        self._stranger = Stranger(config.role)
        #: When the last session began, and how many in a row were lost quickly.
        self._up_since = -math.inf
        self._quick_losses = 0
        self._handshake = self._new_handshake(now, eager=self._role is Role.GUEST)
        if config.wire is Wire.ORIGINAL:
            self._session = self._original_session(frozenset())

    def __repr__(self) -> str:
        return f"<Endpoint {self._role.name.lower()} inbox={self._held} {self._session!r}>"

    @property
    def session(self) -> AnySession | None:
        """The session that stands, if one does."""
        return self._session if self._is_up else None

    def start(self) -> Iterator[SessionEvent]:
        """What there is to say before any byte has come."""
        if self._session is not None:
            yield self._up("original wire", -math.inf)

    # -- bytes in --------------------------------------------------------------------------

    def buffer(self) -> memoryview:
        """Where to read the next bytes from the channel to.

        Never empty unless stalled, or ``has_more``.
        """
        return self._inbox[self._held :]

    def received(self, size: int, now: float) -> Iterator[SessionEvent]:
        """Work through ``size`` more bytes in the buffer; go through all of the events.

        At most MAX_FRAMES frames and hellos, and one session's end, then ``has_more`` is true.
        """
        if self._session is None:
            self._stranger.heard(self._inbox[self._held : self._held + size], now)
        self._held += size
        self._done = 0
        left = MAX_FRAMES
        while left and self._done < self._held:
            if self._session is None:
                handled = yield from self._look(now)
            else:
                handled = yield from self._receive(self._session, now, left)
            if not handled:
                break
            left -= handled
        rest = self._held - self._done
        self.has_more = rest > 0 and not left
        self._inbox[:rest] = self._inbox[self._done : self._held]
        self._held = rest

    @property
    def is_stalled(self) -> bool:
        """Whether reading must wait for a slow stream (original wire only)."""
        return self._session is not None and self._session.is_stalled

    def _receive(
        self, session: AnySession, now: float, most: int
    ) -> Generator[SessionEvent, None, int]:
        """Let the session have the bytes; returns how many frames it has handled."""
        try:
            handled = yield from session.receive(self._inbox[self._done : self._held], now, most)
        except NoPeerError as error:
            yield Rejected(str(error))
            handled = most
        except SessionLostError as error:
            self._maybe_original = False
            yield from self._lose(error, now, eager=True)
            handled = most
        self._done += session.taken
        return handled

    # -- the handshake ---------------------------------------------------------------------

    def _look(self, now: float) -> Generator[SessionEvent, None, int]:
        """Search bytes that belong to no session for a hello; returns 0 if more must come first."""
        before = self._done
        hello, done = find_hello(self._memory, before, self._held)
        if hello is not None:
            self._maybe_original = False
            self._done = done
            yield from self._meet(hello, now)
            return 1
        if self._maybe_original and self._handshake.peer is None:
            data = self._inbox[before : self._held]
            verdict = _looks_original(self._role, data, self._config.offer.max_streams)
            if verdict is None:
                return 0
            if verdict:
                kept = frozenset({PROBE_ID}) if self._role is Role.GUEST else frozenset[int]()
                self._session = self._original_session(kept)
                yield self._up("original wire, which the peer speaks", now)
                return 1
            self._maybe_original = False
        self._handshake.heard_noise()
        self._done = done
        return int(done > before)

    def _meet(self, hello: Hello, now: float) -> Iterator[SessionEvent]:
        if hello.role is self._role:
            if not self._warned_of_echo:
                self._warned_of_echo = True
                yield Notice(
                    f"the other end of the channel is a {hello.role.name.lower()} daemon too, "
                    "or the channel echoes what is sent"
                )
            return
        self._stranger.met()
        if self._handshake.receive_hello(hello):
            self._session = Session(
                self._role,
                nonces=(self._handshake.nonce, hello.nonce),
                offer=self._config.offer,
                peer_offer=hello.offer,
                now=now,
            )
            yield self._up(f"protocol {hello.version}, {self._session.max_streams} streams", now)

    def _new_handshake(self, now: float, *, eager: bool, pause: float = 0.0) -> Handshake:
        return Handshake(
            self._role,
            self._config.offer,
            self._entropy,
            now=now,
            eager=eager,
            probe=self._maybe_original and self._role is Role.GUEST,
            pause=pause,
        )

    def _original_session(self, kept_free: frozenset[int]) -> OriginalSession:
        offer = self._config.offer
        return OriginalSession(
            self._role,
            max_streams=offer.max_streams,
            window=max(offer.window, MAX_LENGTH),
            kept_free=kept_free,
            skips_control=self._config.wire is Wire.ORIGINAL,
        )

    def _up(self, description: str, now: float) -> SessionUp:
        self._is_up = True
        self._up_since = now
        self._stranger.met()
        return SessionUp(description)

    def _lose(self, error: SessionLostError, now: float, *, eager: bool) -> Iterator[SessionEvent]:
        self._session = None
        self._is_up = False
        pause = self._pause_after_loss(now)
        if self._role is Role.GUEST:
            eager = True
            if isinstance(error, GoodbyeError):
                pause = max(pause, _AFTER_GOODBYE)
        self._handshake = self._new_handshake(now, eager=eager, pause=pause)
        yield SessionLost(str(error))

    def _pause_after_loss(self, now: float) -> float:
        """For how long no session may begin: a peer that loses each at once costs us little."""
        self._quick_losses = self._quick_losses + 1 if now - self._up_since < _QUICK else 0
        beyond = self._quick_losses - _FREE_LOSSES
        return min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** min(beyond, 10)) if beyond > 0 else 0.0

    # -- bytes out, and time ---------------------------------------------------------------

    def write_into(self, out: memoryview, now: float) -> int:
        """Put what is to be sent into ``out``; returns how many bytes.

        ``out`` must hold MAX_OUTPUT bytes at least.
        """
        session = self._session
        hello = self._hello(session, now)
        out[: len(hello)] = hello
        if session is None:
            return len(hello)
        return len(hello) + session.write_into(out[len(hello) :], now)

    def _hello(self, session: AnySession | None, now: float) -> bytes:
        """The handshake's part of the output."""
        if session is None:
            return self._handshake.output(now)
        if session.hello_due:
            session.hello_due = False
            self._handshake.answer()
        return self._handshake.answer_due()

    @property
    def next_poll(self) -> float | None:
        """When poll() and write_into() should be called, if nothing comes before."""
        if self._session is not None:
            return self._session.next_poll
        times = (self._handshake.next_poll, self._stranger.due)
        return min((each for each in times if each is not None), default=None)

    def poll(self, now: float) -> Iterator[SessionEvent]:
        """Let time pass; what is due is then in write_into()."""
        if self._session is None:
            if (told := self._stranger.notice(now)) is not None:
                yield Notice(told)
            return
        try:
            self._session.poll(now)
        except SessionLostError as error:
            yield from self._lose(error, now, eager=False)


#: The longest thing that write_into() puts out at once before any session frame.
MAX_OUTPUT: Final = HEADER.size + MAX_LENGTH + 1024


def _looks_original(role: Role, data: memoryview, max_streams: int) -> bool | None:
    """Whether the first bytes out of the channel are an original peer's; None if too few came.

    A guest is told by its first packet, which must be exactly a request; a host by refusing
    the impossible requests that came with our hello, and saying nothing else: what was on its way
    from a killed daemon's streams may begin as such a refusal does.
    """
    if len(data) < HEADER.size:
        return None
    if role is Role.GUEST:
        return _are_refusals(data)
    peer_id, length = HEADER.unpack_from(data)
    if peer_id >= max_streams or not _MIN_REQUEST <= length <= _MAX_REQUEST:
        return False
    request = data[HEADER.size : HEADER.size + length]
    if len(request) < length:
        return None if not len(request) or request[0] in {1, 3, 4} else False
    return bytes(request) != IMPOSSIBLE_REQUEST and parse_request(request) is not None


def _are_refusals(data: memoryview) -> bool | None:
    """Whether that is an original host's answer to our requests; None if a part is missing."""
    whole = len(data) - len(data) % HEADER.size
    if not all(
        length == 0 and peer_id in {CONTROL_ID, PROBE_ID}
        for peer_id, length in HEADER.iter_unpack(data[:whole])
    ):
        return False
    return True if whole == len(data) else None


_MIN_REQUEST: Final = 5
_MAX_REQUEST: Final = 4 + 255
