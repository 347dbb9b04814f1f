"""What a daemon is held to, whoever is at the other end of its channel."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psutil

from tests.integration.support.alone import Dial
from tests.integration.support.daemon import Daemon
from tests.integration.support.descriptors import descriptors
from tests.integration.support.flooder import Flooder
from tests.integration.support.waiting import DEADLINE, eventually
from vsocks.cli.log_throttle import AT_ONCE, IN_THE_LONG_RUN
from vsocks.protocol.handshake import Role
from vsocks.protocol.messages import Ping, Pong

#: Seconds between two knocks.
PAUSE = 0.05
#: Bytes of memory beyond those at start and the pool: queues, objects, threads of the resolver.
MOST_OVERHEAD = 40_000_000
#: What the memory may be more in the second half than in the first, and how many seconds a half
#: must have for that to tell anything.
MOST_GROWTH = 6_000_000
SHORTEST_HALF = 30.0
#: Lines that differ in more than their values, and bytes that one may have.
KINDS_OF_LINES = 30
LONGEST_LINE = 1000
TOKEN = 7


class Judge:
    """Watches one daemon, which has just been started."""

    def __init__(self, daemon: Daemon, peer: Role, dial: Dial) -> None:
        """``peer`` is what the other end of its channel is to be."""
        means = daemon.wait_for_log(r"ready for \d+ connections in (\d+) MiB.* (\d+) of \d+ desc")
        self._daemon = daemon
        self._peer = peer
        self._dial = dial
        self._process = psutil.Process(daemon.pid)
        self._began = time.monotonic()
        with self._in_session():
            self._files_at_start = descriptors(daemon.pid)
        self._most_files = int(means[2])
        self._most_memory = self._memory() + (int(means[1]) << 20) + MOST_OVERHEAD
        self._knocks = 0
        self._slowest = 0.0
        self._peak_memory = self._peak_files = 0

    def watch(self, seconds: float, *knocks: Callable[[], object]) -> None:
        """Hold it to its bounds, and to answering each of `knocks`, for so long.

        A knock returns when it was answered, and raises if it isn't.
        """
        peaks = [self._watch(seconds / 2, knocks) for _ in range(2)]
        if seconds >= 2 * SHORTEST_HALF:
            assert peaks[1] <= peaks[0] + MOST_GROWTH, f"its memory grows: {peaks} bytes at most"

    def settle(self) -> None:
        """A good peer gets a session, in which no more descriptors are held than at start."""

        def attempt() -> None:
            more = descriptors(self._daemon.pid) - self._files_at_start
            assert not more, f"descriptors are left that were not there at start: {dict(more)}"

        with self._in_session():
            eventually(attempt)

    def __str__(self) -> str:
        """What was seen."""
        return (
            f"{self._knocks} knocks answered, the slowest in {self._slowest:.2f} s; at most "
            f"{self._peak_memory / 1e6:.0f} MB of {self._most_memory / 1e6:.0f} and "
            f"{self._peak_files} descriptors of {self._most_files}; {len(self._daemon.lines)} lines"
        )

    def _watch(self, seconds: float, knocks: tuple[Callable[[], object], ...]) -> int:
        """The peak of its memory in so many seconds."""
        end, peak = time.monotonic() + seconds, 0
        while time.monotonic() < end:
            for knock in knocks:
                begin = time.monotonic()
                knock()
                self._knocks += 1
                self._slowest = max(self._slowest, time.monotonic() - begin)
            peak = max(peak, self._look())
            time.sleep(PAUSE)
        return peak

    def _look(self) -> int:
        """How much memory it has; everything else is within its bounds."""
        assert self._daemon.process.poll() is None, f"it has ended; {self._daemon.tail()}"
        memory, files, lines = self._memory(), self._process.num_fds(), self._daemon.lines
        self._peak_memory = max(self._peak_memory, memory)
        self._peak_files = max(self._peak_files, files)
        assert memory <= self._most_memory, f"{memory} bytes; {self._most_memory} are the most"
        assert files <= self._most_files, f"{files} descriptors; {self._most_files} are the most"
        age = time.monotonic() - self._began
        most_lines = KINDS_OF_LINES * (AT_ONCE + IN_THE_LONG_RUN * age)
        assert len(lines) <= most_lines, f"{len(lines)} lines in {age:.0f} s"
        longest = max(map(len, lines[-AT_ONCE:]), default=0)
        assert longest <= LONGEST_LINE, f"a line of {longest} characters"
        self._daemon.check_log()
        return memory

    @contextmanager
    def _in_session(self) -> Iterator[None]:
        """A good peer, which has a session and lets it be."""

        def is_answered() -> None:
            assert Pong(TOKEN) in peer.heard(), "a good peer's ping is not answered"

        with self._dial(DEADLINE) as channel, Flooder(self._peer, channel) as peer:
            peer.meet()
            peer.say(Ping(TOKEN))
            eventually(is_answered)
            yield

    def _memory(self) -> int:
        """Bytes that it holds."""
        return int(self._process.memory_info().rss)
