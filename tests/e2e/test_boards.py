"""Traffic through a virtio-serial port on whatever QEMU can build a machine on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from harness.agent_guest import AgentGuest
from harness.agent_lab import AgentLab
from harness.board import BOARDS, PLACE, Board
from harness.guest import GuestProcess
from harness.image import ImageError
from harness.lab import Running
from harness.other_qemu import other_qemu
from harness.process import HostProcess
from harness.programs import CHOICE, MissingProgramError
from harness.qemu import LaunchError
from harness.qmp import QMPError
from harness.testing.evidence import collect
from harness.vm import VM
from harness.warm import cold_spec, new_disk
from tests.e2e.rig import LOST, SOON, UP, Rig, running_rig

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("debian")]

REFUSED = {"pc, iothread": "Property 'virtio-serial-pci.iothread' not found"}
"""What QEMU itself can't build, and its words."""
UNPLUGGABLE = "Bus 'pcie.0' does not support hotplugging"
"""QEMU's words about the ports' device of a microvm."""
OF_BOTH = Board("pc-i440fx-7.2", ports=PLACE)
"""What QEMU 7.2 and all younger ones build alike, so that it can move."""


class BoardLab(AgentLab):
    """Machines on one board, booted anew each time."""

    def __init__(self, board: Board, folder: Path) -> None:
        self._board = board
        self._disk = folder / "disk.qcow2"
        # Before a test asks for another QEMU: the accelerator is the same.
        self._made_of = self.machine()

    @contextmanager
    def running(self) -> Iterator[Running]:
        image, choice = self._made_of
        spec = cold_spec(image, choice, new_disk(image, self._disk), card=False)
        with VM(replace(spec, board=self._board)) as vm:
            vm.wait_until_booted()
            with AgentGuest.of(vm) as guest:
                guest.deploy()
                yield Running(vm, guest)


@contextmanager
def rig_on(lab: BoardLab, folder: Path) -> Iterator[Rig]:
    # Not by the desk: after a board that doesn't boot the others are tried nevertheless.
    with running_rig(lab) as rig:
        try:
            yield rig
        finally:
            collect(rig, folder / "logs")


@pytest.fixture
def younger_qemu() -> str:
    """Of another version than the installed one."""
    try:
        return str(other_qemu())
    except (ImageError, MissingProgramError) as error:
        pytest.skip(f"no other QEMU: {error}")


@pytest.mark.parametrize("name", [name for name in BOARDS if name not in REFUSED])
def test_traffic_on(name: str, tmp_path: Path) -> None:
    with rig_on(BoardLab(BOARDS[name], tmp_path), tmp_path) as rig:
        rig.start_both()
        rig.check_transfers_work()


@pytest.mark.parametrize("name", ["pc", "q35, packed queues", "microvm, PCI", "microvm, MMIO"])
def test_traffic_by_a_younger_qemu_on(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, younger_qemu: str
) -> None:
    lab = BoardLab(BOARDS[name], tmp_path)
    monkeypatch.setenv(CHOICE, younger_qemu)
    with rig_on(lab, tmp_path) as rig:
        rig.start_both()
        rig.check_transfers_work()


def test_a_machine_moves_to_a_younger_qemu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, younger_qemu: str
) -> None:
    with rig_on(BoardLab(OF_BOTH, tmp_path), tmp_path) as rig:
        _guest, host = rig.start_both()
        before = rig.vm.qmp.execute("query-version")
        monkeypatch.setenv(CHOICE, younger_qemu)
        move(rig, host)
        if rig.vm.qmp.execute("query-version") == before:
            pytest.skip("the installed QEMU is as young")


@pytest.mark.parametrize("name", ["q35", "q35, packed queues"])
def test_all_is_plugged_and_moves_on(name: str, tmp_path: Path) -> None:
    with rig_on(BoardLab(BOARDS[name], tmp_path), tmp_path) as rig:
        guest, host = rig.start_both()
        plug_again(rig, guest, rig.vm.unplug_port, rig.vm.plug_port)
        plug_again(rig, guest, rig.vm.unplug_controller, rig.vm.plug_controller)
        move(rig, host)


def test_a_port_is_plugged_and_moves_on_a_microvm(tmp_path: Path) -> None:
    with rig_on(BoardLab(BOARDS["microvm, PCI"], tmp_path), tmp_path) as rig:
        guest, host = rig.start_both()
        plug_again(rig, guest, rig.vm.unplug_port, rig.vm.plug_port)
        with pytest.raises(QMPError, match=UNPLUGGABLE):
            rig.vm.unplug_controller()
        move(rig, host)


@pytest.mark.parametrize(("name", "words"), REFUSED.items())
def test_qemu_refuses(name: str, words: str, tmp_path: Path) -> None:
    lab = BoardLab(BOARDS[name], tmp_path)
    with pytest.raises(LaunchError, match=words), lab.running():
        pytest.fail("it started: then it can be tried")


def plug_again(
    rig: Rig, guest: GuestProcess, take: Callable[[], None], give: Callable[[], None]
) -> None:
    """What the session runs over goes and comes back, and a session with it."""
    lost = guest.log.mark()
    take()
    guest.log.wait(LOST, timeout=SOON, after=lost)
    give()
    guest.log.wait(UP, timeout=SOON, after=lost)
    rig.check_transfers_work()


def move(rig: Rig, host: HostProcess) -> None:
    """The machine goes on in another QEMU, and the session comes again."""
    mark = host.log.mark()
    rig.vm.migrate()
    host.log.wait(LOST, timeout=SOON, after=mark)
    host.log.wait(UP, timeout=SOON, after=mark)
    rig.reach_again()
    rig.check_transfers_work()
