"""The guest's disc: attached to a machine, it brings the program, which then carries traffic."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import vsocks
from harness.disc_guest import INSTALL, DiscLab
from harness.testing.desk import Desk
from tests.e2e.conftest import rig_of
from tests.e2e.rig import Rig

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def disc_lab(vm_desk: Desk) -> DiscLab:
    lab = DiscLab()
    vm_desk.prepare(lab, "disc_lab")
    return lab


@pytest.fixture
def disc_rig(disc_lab: DiscLab, vm_desk: Desk) -> Iterator[Rig]:
    """A machine without a network card, into which vsocks came by the disc alone."""
    with rig_of(disc_lab, vm_desk, "disc_rig") as rig:
        yield rig


def test_what_was_installed_from_the_disc_carries_traffic(disc_rig: Rig) -> None:
    guest = disc_rig.guest
    assert guest.succeed("vsocks --version") == f"vsocks {vsocks.__version__}\n"
    assert guest.succeed("command -v vsocks") == "/usr/local/bin/vsocks\n"
    disc_rig.start_both()
    disc_rig.check_transfers_work()


def test_it_can_be_installed_again_and_removed(disc_rig: Rig) -> None:
    guest = disc_rig.guest
    assert "is installed" in guest.succeed(INSTALL)
    assert "is removed" in guest.succeed(f"{INSTALL} --uninstall")
    guest.fail("command -v vsocks")


def test_a_damaged_disc_installs_nothing(disc_rig: Rig) -> None:
    guest = disc_rig.guest
    guest.succeed(
        f"{INSTALL} --uninstall; cp -r /mnt /tmp/damaged; echo >> /tmp/damaged/vsocks.pyz"
    )
    refused = guest.fail("sh /tmp/damaged/install.sh")
    assert "vsocks.pyz: FAILED" in refused.stdout + refused.stderr
    guest.fail("command -v vsocks")
