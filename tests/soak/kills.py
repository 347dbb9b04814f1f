"""One daemon is killed and started again, until traffic passes as before."""

from __future__ import annotations

import itertools
import time
from random import Random

from tests.integration.support.daemon import Daemon
from tests.integration.support.waiting import eventually
from tests.soak.rig import Rig
from tests.soak.tally import Tally
from tests.soak.traffic import STREAMS, download, forward
from tests.support.socks_messages import RefusedError

#: Seconds that a killed daemon is away, at most.
LONGEST_AWAY = 0.5


class Killer:
    """Kills the one and the other in turn."""

    def __init__(self, rig: Rig, tally: Tally, dice: Random) -> None:
        self._rig = rig
        self._tally = tally
        self._dice = dice
        self._is_guests_turn = dice.random() < 0.5
        self._streams = itertools.count(STREAMS)

    def kill(self) -> None:
        """Returns once traffic passes both ways again; DaemonError if it had logged a fault."""
        pair = self._rig.pair
        is_guest, self._is_guests_turn = self._is_guests_turn, not self._is_guests_turn
        victim: Daemon = pair.guest if is_guest else pair.host
        victim.check_log()
        self._tally.kills()
        victim.kill()
        time.sleep(self._dice.uniform(0, LONGEST_AWAY))
        if is_guest:
            pair.start_guest()
        else:
            pair.start_host()
        eventually(self._traffic_passes)
        self._tally.passes_again()

    def _traffic_passes(self) -> None:
        for kind in (download, forward):
            try:
                kind(self._rig, self._tally, self._dice, next(self._streams))
            except (OSError, EOFError, RefusedError) as error:
                raise AssertionError(f"{kind.__name__} doesn't pass: {error}") from error
