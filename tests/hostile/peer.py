"""The hostile end of a channel: it takes up session after session, and does not mean well.

It has the pure protocol code for what is to be right, so that it gets deep: credit,
acknowledgements and answers are in order as long as it wants them to be.
"""

from __future__ import annotations

import contextlib
import select
import socket
import time
from collections import Counter, deque
from collections.abc import Iterable
from random import Random
from types import TracebackType

from tests.hostile import acts
from tests.hostile.background import Background
from tests.hostile.bends import bent
from tests.hostile.ground import Ground
from tests.integration.support.alone import Dial
from tests.integration.support.waiting import DEADLINE
from vsocks.address import Target
from vsocks.errors import NotSupportedError
from vsocks.protocol.any_session import AnySession
from vsocks.protocol.endpoint import MAX_OUTPUT, Endpoint, EndpointConfig, Wire
from vsocks.protocol.events import Closed, Data, Opened, SessionEvent, SessionLost, SessionUp
from vsocks.protocol.frames import MAX_LENGTH
from vsocks.protocol.handshake import ALL_FEATURES, MIN_MAX_FRAME, MIN_WINDOW, Feature, Offer, Role
from vsocks.protocol.parcels import Parcel
from vsocks.protocol.streams import Stream

#: Bytes that may wait for the channel before nothing more is done.
MOST_WAITING = 1_000_000
#: Acts of one step, which are sent together.
MOST_ACTS = 12
#: Seconds that one step waits for the channel.
STEP = 0.002
#: How likely a bad act, and a bend, are at each step; drawn anew for each session.
BADNESS = (0.0, 0.005, 0.02, 0.05, 0.3)
BENDING = (0.0, 0.0, 0.001, 0.05)
#: Where those connect who have to be answered: that is refused at once, whatever else goes on.
HONEST = Target("192.0.2.77", 77)


class Peer(Background):
    """Does its worst from entering the context to leaving it, in a thread of its own."""

    def __init__(self, role: Role, dial: Dial, ground: Ground, seed: int) -> None:
        super().__init__(self._live)
        self.role = role
        self.ground = ground
        self.targets = ground.targets
        self.dice = Random(f"{seed} {role.name}")
        #: What it did: how often, and the last of it.
        self.counts: Counter[str] = Counter()
        self.last_acts: deque[str] = deque(maxlen=40)
        self.sessions = 0
        #: Queries to be asked, answers to be told.
        self.questions: list[bytes] = []
        #: Bytes that were sent, of this session or another.
        self.past: deque[bytes] = deque(maxlen=50)
        self.workbench = memoryview(bytearray(MAX_OUTPUT + MAX_LENGTH))
        self._dial = dial

    def __str__(self) -> str:
        return f"{self.sessions} sessions; {dict(self.counts.most_common())}"

    # -- what the acts ask of it -----------------------------------------------------------

    @property
    def session(self) -> AnySession:
        """The session that stands."""
        assert self._endpoint.session is not None
        return self._endpoint.session

    def some_streams(self) -> list[Stream]:
        """Mostly one, sometimes several, of the streams that it holds."""
        return self.dice.sample(self.streams, min(len(self.streams), self.dice.choice((1, 1, 4))))

    def some_number(self) -> int:
        """The number of an association or a question: used before, or not."""
        self._next_number += 1
        return self.dice.choice((self._next_number, self.dice.randrange(self._next_number)))

    def post(self, parcel: Parcel) -> None:
        """Send a parcel, if the session knows such things."""
        with contextlib.suppress(NotSupportedError):
            self.session.post(parcel, time.monotonic())

    def put(self, data: bytes) -> None:
        self._out += data

    def rest(self, seconds: float) -> None:
        self._rests_until = time.monotonic() + seconds

    def be_deaf(self, seconds: float) -> None:
        self._deaf_until = time.monotonic() + seconds

    # -- its life --------------------------------------------------------------------------

    def _live(self) -> None:
        while not self.ends.is_set():
            if (channel := self._open()) is not None:
                with channel, contextlib.suppress(OSError):
                    self._begin()
                    self._talk(channel)

    def _open(self) -> socket.socket | None:
        """The channel; None if the daemon, which needs a moment for that, hasn't opened it yet."""
        try:
            channel = self._dial(0.5)
        except (OSError, AssertionError):
            return None
        channel.setblocking(False)
        return channel

    def _begin(self) -> None:
        """Have nothing of what was before, and offer something else."""
        self.offer = Offer(
            max_streams=self.dice.choice((1, 4, 64, 1000)),
            window=self.dice.choice((MIN_WINDOW, 65536, 512 * 1024, 1 << 31)),
            max_frame=self.dice.choice((MIN_MAX_FRAME, 4096, MAX_LENGTH, MAX_LENGTH)),
            features=self.dice.choice((ALL_FEATURES, ALL_FEATURES, Feature(0))),
        )
        wire = Wire.ORIGINAL if self.dice.random() < 0.1 else Wire.VSOCKS
        now = time.monotonic()
        config = EndpointConfig(self.role, self.offer, wire)
        self._endpoint = Endpoint(config, now, self.dice.randbytes)
        self._out = bytearray()
        self._moved = self._rests_until = self._deaf_until = now
        self._forget()
        self._take(self._endpoint.start())

    def _forget(self) -> None:
        """A session begins, or has ended."""
        self.streams: list[Stream] = []
        #: Bytes that came and were not yet consumed.
        self.owed: Counter[Stream] = Counter()
        self._next_number = 1
        #: What is sent next has an answer in it that somebody waits for.
        self._is_honest = False
        self._badness = self.dice.choice(BADNESS)
        self._bending = self.dice.choice(BENDING)

    def _talk(self, channel: socket.socket) -> None:
        for _ in range(int(self.dice.expovariate(1 / 800))):
            now = time.monotonic()
            if self.ends.is_set():
                return
            if now >= self._rests_until and len(self._out) < MOST_WAITING:
                for _ in range(self.dice.randrange(MOST_ACTS)):
                    self._act()
            self._exchange(channel)

    def _act(self) -> None:
        kinds = acts.BAD if self.dice.random() < self._badness else acts.GOOD
        [act] = self.dice.choices(list(kinds), list(kinds.values()))
        if self._endpoint.session is None and act not in acts.WITHOUT_SESSION:
            return
        self.counts[act.__name__] += 1
        self.last_acts.append(act.__name__)
        act(self)

    # -- the channel -----------------------------------------------------------------------

    def _exchange(self, channel: socket.socket) -> None:
        """Write what there is, read what has come, as far as the channel lets it."""
        now = time.monotonic()
        if size := self._endpoint.write_into(self.workbench, now):
            self._put_bent(bytes(self.workbench[:size]))
        if (session := self._endpoint.session) is not None:
            session.drained()
        hears = now >= self._deaf_until and not self._endpoint.is_stalled
        readable, writable, _ = select.select(
            [channel] if hears else [], [channel] if self._out else [], [], STEP
        )
        if writable:
            del self._out[: channel.send(self._out[:100_000])]
        if writable or not self._out:
            self._moved = now
        assert now < self._moved + DEADLINE, "the daemon doesn't read the channel"
        if readable:
            came = channel.recv_into(self._endpoint.buffer())
            if not came:
                raise ConnectionResetError("the daemon has closed the channel")
            self._take(self._endpoint.received(came, now))
        while self._endpoint.has_more:
            self._take(self._endpoint.received(0, now))
        self._take(self._endpoint.poll(now))

    def _put_bent(self, data: bytes) -> None:
        if self.dice.random() < self._bending and not self._is_honest:
            data = bent(self.dice, data)
            self.counts["bends"] += 1
        self._is_honest = False
        self.past.append(data[:10_000])
        self.put(data)

    def _take(self, events: Iterable[SessionEvent]) -> None:
        for event in events:
            match event:
                case SessionUp():
                    self.sessions += 1
                    self._forget()
                case SessionLost():
                    self._forget()
                case Opened(stream, target) if target == HONEST:
                    self.session.refuse(stream, 5)
                    self._is_honest = True
                case Opened(stream):
                    self.streams.append(stream)
                case Data(stream, data):
                    self.owed[stream] += len(data)
                case Closed(stream) if stream in self.streams and self.dice.random() < 0.9:
                    self.streams.remove(stream)
                    self.session.close(stream)
                case _:
                    pass

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None:
            error.add_note(f"the hostile peer's last acts: {', '.join(self.last_acts)}")
        super().__exit__(kind, error, trace)
