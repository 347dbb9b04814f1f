"""SIGKILL of either daemon at any moment: nothing hangs, nothing lies, and all works again."""

from __future__ import annotations

import os
import random
import time

import pytest

from tests.integration.conftest import StartPair, StartTarget
from tests.integration.support.behaviours import sink, source
from tests.integration.support.daemon import Daemon
from tests.integration.support.load import Load
from tests.integration.support.pair import SESSION_UP, Pair
from tests.integration.support.targets import Target
from tests.integration.support.transfer import (
    CorruptDataError,
    Received,
    receive_pattern,
    request,
    send_pattern,
)
from tests.support import socks

pytestmark = [pytest.mark.integration, pytest.mark.timeout(280)]

SEED = int(os.environ.get("VSOCKS_SEED", "1"))
TRANSFERS = 6
FRESH = 300_000
"""Bytes of the transfers which show that a new session works: more than a window."""

LATEST_KILL = 24_000_000
"""Bytes that the transfers have moved when the kill comes, at most."""

LONGEST_LIFE = 0.5
"""Seconds that a daemon lives which is killed while it starts, at most."""


class Killer:
    """One test's rounds: every stream of every round has a number of its own."""

    def __init__(self, pair: Pair, source_target: Target, sink_target: Target, seed: str) -> None:
        self._pair = pair
        self._source = source_target
        self._sink = sink_target
        self._random = random.Random(seed)
        self._next_stream = 0

    def round(self) -> None:
        """Kill, start again, and hold all that was open and all that is new to the promises."""
        victim = self._random.choice(["guest", "host"])
        load = Load(self._pair.proxy, self._source.address, self._sink.address, self._streams())
        moved = load.wait_moved(self._random.randrange(LATEST_KILL))
        print(f"{victim} killed after {moved} bytes", end="", flush=True)
        self._daemon(victim).kill()
        while self._random.random() < 0.25:
            life = self._random.uniform(0, LONGEST_LIFE)
            print(f", again after {life:.3f} s", end="", flush=True)
            self._start(victim, wait=False)
            time.sleep(life)  # a moment chosen by lot is the very thing to test
            self._daemon(victim).kill()
        print()
        self._back_in_session(victim)
        self._check_endings(victim, load)
        self._check_fresh()

    def _streams(self) -> range:
        first = self._next_stream
        self._next_stream += TRANSFERS + 2
        return range(first, first + TRANSFERS)

    def _daemon(self, name: str) -> Daemon:
        return self._pair.guest if name == "guest" else self._pair.host

    def _start(self, name: str, *, wait: bool) -> None:
        if name == "guest":
            self._pair.start_guest(wait=wait)
        else:
            self._pair.start_host()

    def _back_in_session(self, victim: str) -> None:
        survivor = self._daemon("host" if victim == "guest" else "guest")
        since = len(survivor.lines)
        self._start(victim, wait=True)
        survivor.wait_for_log(SESSION_UP, since=since)
        self._daemon(victim).wait_for_log(SESSION_UP)

    def _check_endings(self, victim: str, load: Load) -> None:
        """Everything has ended; where a daemon lives to tell, it tells that it was cut off."""
        downloads = load.join()
        outcomes = [*self._source.wait_idle(), *self._sink.wait_idle()]
        for outcome in outcomes:
            if isinstance(outcome, CorruptDataError | TimeoutError):
                raise outcome
        if victim == "host":
            assert [end for end in downloads if end.ending == "eof"] == []
        else:
            clean = [
                end
                for end in outcomes
                if isinstance(end, EOFError) or (isinstance(end, Received) and end.ending == "eof")
            ]
            assert clean == []

    def _check_fresh(self) -> None:
        stream = self._next_stream - 2
        with socks.connect(self._pair.proxy, self._source.address) as sock:
            request(sock, stream, FRESH)
            assert receive_pattern(sock, stream) == Received(stream, FRESH, "eof")
        stream += 1
        with socks.connect(self._pair.proxy, self._sink.address) as sock:
            request(sock, stream, FRESH)
            send_pattern(sock, stream, FRESH)
        assert self._sink.outcome() == Received(stream, FRESH, "eof")
        self._source.wait_idle()


@pytest.mark.parametrize(
    ("layout", "rounds"),
    [
        ("unix-guest-listens", 30),
        ("unix-host-listens", 30),
        ("tcp-guest-listens", 20),
        ("serial", 20),
    ],
)
def test_killed_a_hundred_times_in_all(
    start_pair: StartPair, serve: StartTarget, layout: str, rounds: int
) -> None:
    killer = Killer(start_pair(layout), serve(source), serve(sink), f"{SEED} {layout}")
    for number in range(rounds):
        print(f"seed {SEED}, {layout}, round {number}: ", end="")
        killer.round()
