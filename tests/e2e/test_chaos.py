"""Some faults in a row, drawn anew each time: the short form of `make chaos`."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from random import SystemRandom

import pytest

from harness.agent_lab import AgentLab
from harness.testing.desk import Desk
from tests.chaos.faults import Chaos
from tests.e2e.conftest import rig_of
from tests.e2e.rig import Rig

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900, func_only=True)]

SEED = int(os.environ.get("CHAOS_SEED", SystemRandom().randrange(1_000_000)))
FAULTS = 6


@pytest.fixture
def rig(vm_desk: Desk) -> Iterator[Rig]:
    with rig_of(AgentLab(), vm_desk, "rig") as rig:
        yield rig


def test_faults_one_after_the_other(rig: Rig, vm_note: Callable[[str], None]) -> None:
    vm_note(f"CHAOS_SEED={SEED}")
    chaos = Chaos(rig, SEED)
    for _ in range(FAULTS):
        print(chaos.next())
