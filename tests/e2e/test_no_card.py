"""A machine that has no network card, and has never had one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from harness.agent_lab import AgentLab
from harness.spec import AGENT
from harness.testing.desk import Desk
from tests.e2e.conftest import rig_of
from tests.e2e.rig import LOST, SOON, UP, Rig

pytestmark = pytest.mark.e2e


@pytest.fixture
def rig(vm_desk: Desk) -> Iterator[Rig]:
    with rig_of(AgentLab(), vm_desk, "rig") as rig:
        yield rig


def test_there_is_no_network_but_vsocks_and_files_come_back(rig: Rig) -> None:
    assert rig.guest.succeed("ls /sys/class/net") == "lo\n"
    assert not rig.vm.qmp.execute("query-rx-filter")
    rig.start_both()
    rig.check_transfers_work()
    rig.guest.upload({"file": b"as it went"}, rig.guest.scratch)
    assert rig.guest.download(f"{rig.guest.scratch}/file") == b"as it went"


def test_what_an_earlier_connection_has_left_is_nobody_s_answer(rig: Rig) -> None:
    rig.guest.close()
    with rig.raw_port(AGENT) as port:
        port.sendall(b'{"execute": "guest-info"}\n{"execute": "guest-pi')
        port.recv(1)  # the first answer is on its way
    rig.guest.reconnect()
    assert rig.guest.succeed("echo mine") == "mine\n"


def test_the_guest_is_driven_on_after_a_reset(rig: Rig) -> None:
    _, host = rig.start_both()
    mark, console = host.log.mark(), rig.vm.console.mark()
    rig.vm.reset()
    rig.vm.wait_until_booted(after=console)
    rig.guest.reconnect()
    rig.start_guest()
    host.log.wait(LOST, timeout=SOON, after=mark)
    host.log.wait(UP, timeout=SOON, after=mark)
    rig.check_transfers_work()


def test_the_guest_is_driven_on_after_a_return_to_a_snapshot(rig: Rig) -> None:
    guest, host = rig.start_both()
    rig.vm.save_snapshot("in-session")
    rig.check_transfers_work()  # of which the guest that comes back knows nothing
    mark = host.log.mark()
    rig.vm.load_snapshot("in-session")
    lost = host.log.wait(LOST, timeout=SOON, after=mark)
    host.log.wait(UP, timeout=SOON, after=lost.number)
    rig.guest.reconnect()
    rig.follow_again(guest)
    rig.check_transfers_work()
