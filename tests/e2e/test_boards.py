"""Traffic through a virtio-serial port on whatever QEMU can build a machine on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from harness.agent_guest import AgentGuest
from harness.agent_lab import AgentLab
from harness.board import BOARDS, Board
from harness.lab import Running
from harness.qemu import LaunchError
from harness.testing.evidence import collect
from harness.vm import VM
from harness.warm import cold_spec, new_disk
from tests.e2e.rig import running_rig

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("debian")]

REFUSED = {"pc, iothread": "Property 'virtio-serial-pci.iothread' not found"}
"""What QEMU itself can't build, and its words."""


class BoardLab(AgentLab):
    """Machines on one board, booted anew each time."""

    def __init__(self, board: Board, folder: Path) -> None:
        self._board = board
        self._disk = folder / "disk.qcow2"

    @contextmanager
    def running(self) -> Iterator[Running]:
        image, choice = self.machine()
        spec = cold_spec(image, choice, new_disk(image, self._disk), card=False)
        with VM(replace(spec, board=self._board)) as vm:
            vm.wait_until_booted()
            with AgentGuest.of(vm) as guest:
                guest.deploy()
                yield Running(vm, guest)


@pytest.mark.parametrize("name", [name for name in BOARDS if name not in REFUSED])
def test_traffic_on(name: str, tmp_path: Path) -> None:
    # Not by the desk: after a board that doesn't boot the others are tried nevertheless.
    with running_rig(BoardLab(BOARDS[name], tmp_path)) as rig:
        try:
            rig.start_both()
            rig.check_transfers_work()
        finally:
            collect(rig, tmp_path / "logs")


@pytest.mark.parametrize(("name", "words"), REFUSED.items())
def test_qemu_refuses(name: str, words: str, tmp_path: Path) -> None:
    lab = BoardLab(BOARDS[name], tmp_path)
    with pytest.raises(LaunchError, match=words), lab.running():
        pytest.fail("it started: then it can be tried")
