"""Faults for so many minutes: see the package."""

from __future__ import annotations

import argparse
import sys
import time
from random import SystemRandom

from harness.agent_lab import AgentLab
from harness.places import ROOT
from harness.testing.evidence import collect
from tests.chaos.faults import Chaos
from tests.e2e.rig import running_rig

ARTIFACTS = ROOT / "tests" / "artifacts" / "chaos"


def main() -> int:
    """The exit status: 0 if nothing was wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0, help="(default: 60)")
    parser.add_argument(
        "--seed", type=int, default=SystemRandom().randrange(1_000_000), help="draws the faults"
    )
    options = parser.parse_args()
    lab = AgentLab()
    print(f"{lab.prepare()}\nchaos: {options.minutes:g} minutes, --seed {options.seed}", flush=True)
    with running_rig(lab) as rig:
        try:
            happened = run(Chaos(rig, options.seed), options.minutes * 60)
        except BaseException:
            collect(rig, ARTIFACTS)
            print(f"FAILED with --seed {options.seed}; logs, console and screen: {ARTIFACTS}")
            raise
    received = sum(record.received for record in rig.target.records)
    print(f"{happened} faults, {len(rig.target.records)} connections, {received} bytes received")
    return 0


def run(chaos: Chaos, seconds: float) -> int:
    """One fault after the other until time is up; how many they were."""
    began, number = time.monotonic(), 0
    while time.monotonic() - began < seconds:
        number += 1
        print(f"{number}: {chaos.next()}", flush=True)
    return number


if __name__ == "__main__":
    sys.exit(main())
