"""Mixed traffic through both daemons, with kills, for so many minutes.

One daemon is killed now and then in the first half. In the second both live on, so that there is
a time over which their memory can be compared.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from random import Random, SystemRandom

from tests.integration.support.waiting import eventually
from tests.soak.kills import Killer
from tests.soak.lives import Lives
from tests.soak.rig import Rig, rig
from tests.soak.tally import Tally
from tests.soak.traffic import KINDS, Traffic, go

ARTIFACTS = Path("tests/artifacts/soak")
#: Kills in the first half, unless that would be one more often or less often than so many seconds.
KILLS = 8
MOST_OFTEN, LEAST_OFTEN = 1.0, 120.0
#: Seconds between two looks at the daemons, and of rest before the first.
TICK = 0.5
REST = 1.0


def main() -> int:
    """The exit status: 0 if nothing was wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0, help="(default: 60)")
    parser.add_argument(
        "--seed", type=int, default=SystemRandom().randrange(1_000_000), help="makes the choices"
    )
    options = parser.parse_args()
    print(f"soak: {options.minutes:g} minutes, --seed {options.seed}", flush=True)
    tally = Tally()
    with tempfile.TemporaryDirectory(prefix="vsocks-soak-") as name:
        directory = Path(name)
        try:
            with rig(directory, tally.is_wrong) as both:
                run(both, tally, options.minutes * 60, options.seed)
        except AssertionError as error:
            tally.tell(str(error))
        if tally.told:
            print(f"FAILED: {len(tally.told)} things, the first: {tally.told[0]}")
            ARTIFACTS.mkdir(parents=True, exist_ok=True)
            for log in directory.glob("*.log"):
                print(f"see {shutil.copy(log, ARTIFACTS)}")
    return 1 if tally.told else 0


def run(both: Rig, tally: Tally, seconds: float, seed: int) -> None:
    """Traffic and kills, then the figures; what is wrong is told to the tally."""
    dice = Random(seed)
    for number, kind in enumerate(KINDS):
        go(kind, both, tally, dice, (1 << 19) + number)
    time.sleep(REST)
    lives = Lives("guest"), Lives("host")
    for life, daemon in zip(lives, (both.pair.guest, both.pair.host), strict=True):
        life.begin(daemon)
    traffic = Traffic(both, tally, seed)
    try:
        last_through(both, tally, lives, seconds, dice)
    finally:
        traffic.stop()
    for life, daemon in zip(lives, (both.pair.guest, both.pair.host), strict=True):
        try:
            eventually(partial(life.end, daemon))
        except AssertionError as error:
            tally.tell(str(error))
    for kind in KINDS:
        if not tally.passed[kind.__name__]:
            tally.tell(f"no {kind.__name__} ever passed")
    print_figures(tally, lives)


def last_through(
    both: Rig, tally: Tally, lives: tuple[Lives, Lives], seconds: float, dice: Random
) -> None:
    """Look at the daemons, and kill one now and then, until time is up."""
    killer = Killer(both, tally, dice)
    gap = min(max(seconds / 2 / KILLS, MOST_OFTEN), LEAST_OFTEN)
    begin = time.monotonic()
    next_kill, next_line = begin + gap * dice.uniform(0.5, 1.5), begin + 60
    while (now := time.monotonic()) < begin + seconds:
        lives[0].sample(both.pair.guest)
        lives[1].sample(both.pair.host)
        if next_kill <= now < begin + seconds / 2:
            killer.kill()
            next_kill = time.monotonic() + gap * dice.uniform(0.5, 1.5)
        if now >= next_line:
            next_line += 60
            memory = ", ".join(f"{life.name} {life.memory:.1f} MB" for life in lives)
            print(f"minute {(now - begin) / 60:.0f}: {tally}; {memory}", flush=True)
        time.sleep(TICK)


def print_figures(tally: Tally, lives: tuple[Lives, Lives]) -> None:
    """What came of it."""
    kinds = ", ".join(f"{count} x {kind}" for kind, count in sorted(tally.passed.items()))
    print(f"passed: {sum(tally.passed.values())} connections and questions ({kinds})")
    print(f"bytes: {tally.bytes}, streams and answers with wrong ones: {tally.wrong}")
    print(f"failed: {tally.unexplained}, and {tally.explained} that a kill explains")
    longest = max(tally.outages, default=0.0)
    print(f"kills: {len(tally.outages)}, the longest till traffic passed again: {longest:.2f} s")
    print(*lives, sep="\n", flush=True)


if __name__ == "__main__":
    sys.exit(main())
