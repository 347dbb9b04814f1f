"""Fixtures of the tests in a VM: the machines of the plugin, with a target and its clients."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from harness.debian_lab import DebianLab
from harness.guest import Guest
from harness.lab import Lab
from harness.targets import serving
from harness.testing.desk import Desk
from harness.vm import VM
from harness.windows.lab import windows_lab
from harness.wine_guest import WineLab
from tests.e2e.rig import Rig
from tests.e2e.truth_server import TruthServer

LABS: list[Lab] = [DebianLab(), windows_lab() or WineLab()]
"""The guests that a test is about: Linux, and the best Windows at hand."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The limit is for the test, not for building an image in a fixture before it."""
    for item in items:
        if item.get_closest_marker("e2e") and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(300, func_only=True))


@pytest.fixture(scope="session", params=LABS, ids=lambda lab: lab.kind)
def vm_lab(request: pytest.FixtureRequest, vm_desk: Desk) -> Lab:
    """Each kind of guest in turn, in place of the plugin's."""
    lab: Lab = request.param
    vm_desk.prepare(lab, "vm_lab")
    return lab


@pytest.fixture(scope="session")
def debian(vm_desk: Desk) -> DebianLab:
    """For what is about the machine or about Linux."""
    lab = DebianLab()
    vm_desk.prepare(lab, "debian")
    return lab


@pytest.fixture
def rig(vm_lab: Lab, vm_desk: Desk, vm_note: Callable[[str], None]) -> Iterator[Rig]:
    """A machine of the test's own; no daemon runs yet."""
    with rig_of(vm_lab, vm_desk, "rig") as rig:
        rig.note = vm_note
        yield rig


@pytest.fixture
def debian_rig(debian: DebianLab, vm_desk: Desk) -> Iterator[Rig]:
    """The same with Debian alone."""
    with rig_of(debian, vm_desk, "debian_rig") as rig:
        yield rig


@pytest.fixture(scope="module")
def shared_rig(vm_lab: Lab, vm_desk: Desk) -> Iterator[Rig]:
    """A machine, with both daemons in session, for the tests of a module that break nothing."""
    with rig_of(vm_lab, vm_desk, "shared_rig") as rig:
        rig.start_both()
        yield rig


@contextmanager
def rig_of(lab: Lab, desk: Desk, fixture: str) -> Iterator[Rig]:
    """A machine with vsocks, the target, and its clients in the guest; no daemon runs yet."""

    def make(vm: VM, guest: Guest) -> Rig:
        return Rig(vm, guest, target)

    with serving(TruthServer()) as target, desk.running(lab, fixture, make) as rig:
        yield rig
