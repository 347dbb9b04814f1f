"""Some faults in a row, drawn anew each time: the short form of `make chaos`."""

from __future__ import annotations

import os
from collections.abc import Callable
from random import SystemRandom

import pytest

from harness.agent_lab import AgentLab
from tests.chaos.faults import Chaos
from tests.e2e.boot_gate import BootGate
from tests.e2e.conftest import rig_of

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900, func_only=True)]

SEED = int(os.environ.get("CHAOS_SEED", SystemRandom().randrange(1_000_000)))
FAULTS = 6


def test_faults_one_after_the_other(
    boot_gate: BootGate, request: pytest.FixtureRequest, note: Callable[[str], None]
) -> None:
    note(f"CHAOS_SEED={SEED}")
    with rig_of(AgentLab(), boot_gate, request) as rig:
        chaos = Chaos(rig, SEED)
        for _ in range(FAULTS):
            print(chaos.next())
